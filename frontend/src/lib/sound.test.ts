import { describe, expect, it } from 'vitest';
import { PATTERNS } from './sound';

/* docs clinical, "Alarm behaviour". */
describe('the sound of a priority', () => {
  it.each([
    ['high', 10, 10],
    ['medium', 3, 25],
    ['low', 2, 25],
  ] as const)('%s: %i pulses every %i s', (priority, count, every) => {
    expect(PATTERNS[priority].pulses).toHaveLength(count);
    expect(PATTERNS[priority].every).toBe(every);
  });

  it('has pulses one after the other, done before the next burst', () => {
    for (const { pulses, every } of Object.values(PATTERNS)) {
      pulses.slice(1).forEach(({ start }, i) => expect(start).toBeGreaterThan(pulses[i]!.start + pulses[i]!.duration));
      expect(pulses.at(-1)!.start + pulses.at(-1)!.duration).toBeLessThan(every / 2);
    }
  });

  it('of high priority is twice the same five', () => {
    const starts = PATTERNS.high.pulses.map(({ start }) => start);
    const second = starts.slice(5).map((start) => start - starts[5]!);
    second.forEach((start, i) => expect(start).toBeCloseTo(starts[i]!, 6));
  });

  it('has a fundamental of 150 to 1,000 Hz, higher for what is more urgent', () => {
    const { high, medium, low } = PATTERNS;
    for (const { hertz } of [high, medium, low]) {
      expect(hertz).toBeGreaterThanOrEqual(150);
      /* the fifth harmonic, and so at least four, at or below 4,000 Hz */
      expect(hertz * 5).toBeLessThanOrEqual(4000);
    }
    expect(high.hertz).toBeGreaterThan(medium.hertz);
    expect(medium.hertz).toBeGreaterThan(low.hertz);
  });
});
