/* series.ts - from the history of the server to what a chart, a table and a sentence need.  Pure. */
import type { Alert, HistoryPoint, VitalsHistory } from '@/lib/api/client';
import { parseTime } from '@/lib/time';
import { formatNumber, type SeriesField, type VitalInfo } from '@/lib/vitals';
import { formatMoment } from '@/lib/time';

export interface Sample {
  time: number; /* ms */
  mean: number;
  min: number;
  max: number;
  count: number;
}

export function samplesOf(points: readonly HistoryPoint[]): Sample[] {
  return points.flatMap(({ timestamp, value, min, max, count }) => {
    const time = parseTime(timestamp);
    return time === null ? [] : [{ time, mean: value, min: min ?? value, max: max ?? value, count: count ?? 1 }];
  });
}

/* More than this many usual intervals without a sample is a gap, drawn as one. */
const GAP_INTERVALS = 3;

function usualInterval(times: readonly number[]): number {
  const steps = times.slice(1).map((time, i) => time - times[i]!).sort((a, b) => a - b);
  return steps[Math.floor(steps.length / 2)] ?? 0;
}

export type Column = (number | null)[];

export interface ChartData {
  x: number[]; /* s, as uPlot wants it */
  columns: Column[]; /* per series: mean, min, max */
  banded: boolean; /* min and max differ from the mean somewhere */
}

/* One x for all series of a chart; where a gap is, a point without values breaks the line. */
export function chartData(history: VitalsHistory, fields: readonly SeriesField[]): ChartData {
  const series = fields.map((field) => samplesOf(history[field]));
  const times = [...new Set(series.flatMap((samples) => samples.map(({ time }) => time)))].sort((a, b) => a - b);
  const gap = GAP_INTERVALS * Math.max(usualInterval(times), history.bucket_s * 1000);
  const x: number[] = [];
  times.forEach((time, i) => {
    const before = times[i - 1];
    if (before !== undefined && gap > 0 && time - before > gap) x.push((before + time) / 2);
    x.push(time);
  });
  const columns = series.flatMap((samples) => {
    const byTime = new Map(samples.map((sample) => [sample.time, sample]));
    return (['mean', 'min', 'max'] as const).map((key): Column => x.map((time) => byTime.get(time)?.[key] ?? null));
  });
  const banded = series.some((samples) => samples.some(({ mean, min, max }) => min !== mean || max !== mean));
  return { x: x.map((time) => time / 1000), columns, banded };
}

export interface Extremes {
  last: Sample;
  lowest: Sample;
  highest: Sample;
}

export function extremes(samples: readonly Sample[]): Extremes | null {
  const first = samples[0];
  if (!first) return null;
  let [last, lowest, highest] = [first, first, first];
  for (const sample of samples) {
    if (sample.time >= last.time) last = sample;
    if (sample.min < lowest.min) lowest = sample;
    if (sample.max > highest.max) highest = sample;
  }
  return { last, lowest, highest };
}

/* The chart in a sentence, for everybody and above all for who cannot see it. */
export function describe(history: VitalsHistory, info: VitalInfo, now: number): string {
  const parts = info.series.map((field) => {
    const found = extremes(samplesOf(history[field]));
    const name = info.series.length > 1 ? `${field} ` : '';
    if (!found) return `${name}no values`;
    const say = (value: number, sample: Sample) =>
      `${formatNumber(value, info.decimals)} (${formatMoment(sample.time, now)})`;
    return `${name}lowest ${say(found.lowest.min, found.lowest)}, highest ${say(found.highest.max, found.highest)}`;
  });
  return parts.join('; ');
}

export interface Episode {
  from: number;
  to: number;
  severity: 'critical' | 'warning';
}

/* The alerts on a vital as stretches of time; an open one reaches to `now`. */
export function episodes(alerts: readonly Alert[], info: VitalInfo, now: number): Episode[] {
  return alerts.flatMap((alert) => {
    if (alert.vital_type !== info.alertType || alert.kind !== 'physiological') return [];
    const from = parseTime(alert.onset);
    if (from === null) return [];
    return [
      { from, to: parseTime(alert.end) ?? now, severity: alert.severity === 'critical' ? 'critical' : 'warning' },
    ];
  });
}

export interface TableRow {
  time: number;
  cells: (Sample | null)[];
}

function merge(a: Sample | null, b: Sample): Sample {
  if (!a) return { ...b };
  const count = a.count + b.count;
  return {
    time: a.time,
    count,
    mean: (a.mean * a.count + b.mean * b.count) / count,
    min: Math.min(a.min, b.min),
    max: Math.max(a.max, b.max),
  };
}

/* At most `rows` stretches of equal length, the newest first; a column per field. */
export function tableRows(
  history: VitalsHistory,
  fields: readonly SeriesField[],
  from: number,
  to: number,
  rows: number,
): TableRow[] {
  const length = Math.max(1, (to - from) / rows);
  const found = new Map<number, TableRow>();
  fields.forEach((field, column) => {
    for (const sample of samplesOf(history[field])) {
      const bin = Math.floor((sample.time - from) / length);
      const row = found.get(bin) ?? { time: from + bin * length, cells: fields.map(() => null) };
      row.cells[column] = merge(row.cells[column] ?? null, sample);
      found.set(bin, row);
    }
  });
  return [...found.values()].sort((a, b) => b.time - a.time);
}
