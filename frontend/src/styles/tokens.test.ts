import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const css = readFileSync(new URL('./tokens.css', import.meta.url), 'utf8');

function block(selector: string): Record<string, string> {
  const body = css.slice(css.indexOf(`${selector} {`)).split('}')[0]!;
  return Object.fromEntries(
    [...body.matchAll(/--([\w-]+):\s*([^;]+);/g)].map(([, name, value]) => [name!, value!.trim()]),
  );
}

/* WCAG 2.2, relative luminance and contrast ratio. */
function luminance(hex: string): number {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const c = parseInt(hex.slice(at, at + 2), 16) / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
function contrast(a: string, b: string): number {
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y) as [number, number];
  return (high + 0.05) / (low + 0.05);
}

const schemes = ['dark', 'light'].map((scheme) => ({
  scheme,
  colours: { ...block(':root'), ...block(`:root[data-mantine-color-scheme='${scheme}']`) },
}));
const TEXTS = ['text', 'dim', 'old', 'critical-text', 'warning-text', 'technical-text', 'accent'];
const ALARMS = ['critical', 'critical-off', 'warning', 'warning-off', 'technical', 'silent'];

describe.each(schemes)('colours of the $scheme scheme', ({ colours }) => {
  it.each(TEXTS)('%s is readable on every surface (AA, 4.5:1)', (text) => {
    for (const surface of ['page', 'surface', 'raised'])
      expect(contrast(colours[text]!, colours[surface]!)).toBeGreaterThanOrEqual(4.5);
  });

  it.each(ALARMS)('text is readable on %s, in both phases of a flash', (alarm) => {
    expect(contrast(colours[alarm]!, colours[`on-${alarm}`]!)).toBeGreaterThanOrEqual(4.5);
  });
});

/* docs clinical, "Alarm behaviour"; WCAG 2.3.1 allows three flashes a second. */
describe('flashing', () => {
  const hertz = (name: string) => 1 / parseFloat(block(':root')[name]!);
  it('of high priority has 1.4 to 2.8 Hz', () => {
    expect(hertz('flash-high')).toBeGreaterThanOrEqual(1.4);
    expect(hertz('flash-high')).toBeLessThanOrEqual(2.8);
  });
  it('of medium priority has 0.4 to 0.8 Hz', () => {
    expect(hertz('flash-medium')).toBeGreaterThanOrEqual(0.4);
    expect(hertz('flash-medium')).toBeLessThanOrEqual(0.8);
  });
});
