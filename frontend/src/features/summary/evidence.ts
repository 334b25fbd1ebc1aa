/* evidence.ts - from the ids that prove a sentence to a time range on the chart.
 *
 * Ids of readings and alerts end in their time: ms since 1970, as in P001.tachycardia.1795440000000. */
import type { Summary } from '@/lib/api/client';
import { parseTime } from '@/lib/time';

export interface TimeRange {
  from: number;
  to: number;
}

/* 12 to 14 digits: the years 1973 to 5138 in ms; shorter numbers are something else. */
const TIME_AT_END = /[.:@_-](\d{12,14})$/;

export function evidenceTime(id: string): number | null {
  const digits = TIME_AT_END.exec(id)?.[1];
  return digits === undefined ? null : Number(digits);
}

/* The range that the evidence spans; the summary's window when no id tells a time. */
export function evidenceRange(evidence: readonly string[], summary: Pick<Summary, 'window_start' | 'window_end'>): TimeRange | null {
  const times = evidence.map(evidenceTime).filter((time) => time !== null);
  if (times.length > 0) return { from: Math.min(...times), to: Math.max(...times) };
  const from = parseTime(summary.window_start);
  const to = parseTime(summary.window_end);
  return from !== null && to !== null && evidence.length > 0 ? { from, to } : null;
}
