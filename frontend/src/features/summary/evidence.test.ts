import { expect, it } from 'vitest';
import { iso, NOW } from '@/testing/patients';
import { evidenceRange, evidenceTime } from './evidence';

const window = { window_start: iso(NOW - 3_600_000), window_end: iso(NOW) };

it('reads the time at the end of an id', () => {
  expect(evidenceTime('P001.tachycardia.1795440000000')).toBe(1795440000000);
  expect(evidenceTime('monitor-7@2026-11-23T03:00:00.000Z')).toBe(NOW);
  expect(evidenceTime('monitor.7@2026-11-23T03:00:00.123Z')).toBe(NOW + 123);
  expect(evidenceTime('P001.2026')).toBeNull();
  expect(evidenceTime('P1795440000000')).toBeNull();
});

it('spans all evidence of a sentence', () => {
  expect(evidenceRange([`P001.hypoxia.${NOW + 9000}`, 'm@2026-11-23T03:00:00.000Z', 'odd'], window)).toEqual({
    from: NOW,
    to: NOW + 9000,
  });
});

it('falls back to the window, and to nothing without evidence', () => {
  expect(evidenceRange(['odd'], window)).toEqual({ from: NOW - 3_600_000, to: NOW });
  expect(evidenceRange([], window)).toBeNull();
});
