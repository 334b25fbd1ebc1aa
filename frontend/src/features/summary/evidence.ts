/* evidence.ts - from the ids that prove a sentence to a time range on the chart.
 *
 * An alert's id ends in its onset in ms (P001.tachycardia.1795440000000); a reading is its source and
 * its time (monitor-7@2026-11-23T13:20:00.000Z). */
import type { Summary } from '@/lib/api/client';
import { parseTime } from '@/lib/time';

export interface TimeRange {
  from: number;
  to: number;
}

/* 12 to 14 digits: the years 1973 to 5138 in ms; shorter numbers are something else. */
const MS_AT_END = /\.(\d{12,14})$/;
const STAMP_AT_END = /@(\d{4}-\d{2}-\d{2}T[\d:.]+Z)$/;

export function evidenceTime(id: string): number | null {
  const digits = MS_AT_END.exec(id)?.[1];
  return digits === undefined ? parseTime(STAMP_AT_END.exec(id)?.[1]) : Number(digits);
}

/* The range that the evidence spans; the summary's window when no id tells a time. */
export function evidenceRange(
  evidence: readonly string[],
  summary: Pick<Summary, 'window_start' | 'window_end'>,
): TimeRange | null {
  const times = evidence.map(evidenceTime).filter((time) => time !== null);
  if (times.length > 0) return { from: Math.min(...times), to: Math.max(...times) };
  const from = parseTime(summary.window_start);
  const to = parseTime(summary.window_end);
  return from !== null && to !== null && evidence.length > 0 ? { from, to } : null;
}
