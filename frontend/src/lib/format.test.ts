import { describe, expect, it } from 'vitest';
import { noVitals, NOW, patientOf } from '@/testing/patients';
import { formatAge, formatCountdown, formatMoment, parseTime } from './time';
import { formatNumber, formatVital, NO_VALUE, VITALS } from './vitals';

const [heartRate, , pressure, , temperature] = VITALS;

describe('values', () => {
  it('have the decimals of their vital', () => {
    expect(formatVital(patientOf(), heartRate!)).toBe('72');
    expect(formatVital(patientOf(), temperature!)).toBe('36.8');
    expect(formatVital(patientOf(), pressure!)).toBe('122/76');
  });

  it('that are missing are a dash, never 0', () => {
    for (const info of VITALS) expect(formatVital(patientOf({ vitals: noVitals }), info)).toBe(NO_VALUE);
    expect(formatNumber(undefined, 0)).toBe(NO_VALUE);
    expect(formatNumber(NaN, 0)).toBe(NO_VALUE);
  });

  it('of half a pressure show the half that is known', () => {
    const patient = patientOf({ vitals: { ...noVitals, bloodPressure: { systolic: 118, diastolic: null } } });
    expect(formatVital(patient, pressure!)).toBe('118/—');
  });

  it('that are 0 are shown as 0', () => {
    expect(formatNumber(0, 0)).toBe('0');
  });
});

describe('times', () => {
  it.each([
    [-5, '0 s'],
    [0, '0 s'],
    [59_999, '59 s'],
    [60_000, '1 min'],
    [3_599_999, '59 min'],
    [3_900_000, '1 h 05 min'],
    [90_000_000, '1 d 1 h'],
  ])('%i ms are %s', (ms, text) => expect(formatAge(ms)).toBe(text));

  it.each([
    [120_000, '2:00'],
    [119_001, '2:00'],
    [65_000, '1:05'],
    [-1, '0:00'],
  ])('%i ms left are %s', (ms, text) => expect(formatCountdown(ms)).toBe(text));

  it('that are none are null', () => {
    expect(parseTime(null)).toBeNull();
    expect(parseTime('soon')).toBeNull();
    expect(parseTime('2026-11-23T03:00:00.000Z')).toBe(NOW);
  });

  it('of another day say the day', () => {
    expect(formatMoment(NOW, NOW)).toMatch(/^\d\d:\d\d$/);
    expect(formatMoment(NOW - 7 * 86_400_000, NOW)).toMatch(/16 Nov/);
  });
});
