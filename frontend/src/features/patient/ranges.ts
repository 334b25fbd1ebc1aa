/* ranges.ts - how far back the charts look. */
export interface TimeRange {
  from: number;
  to: number;
}

const HOUR = 3600_000;

export const RANGES = {
  '1h': { label: '1 h', ms: HOUR, refreshMs: 5_000 },
  '6h': { label: '6 h', ms: 6 * HOUR, refreshMs: 15_000 },
  '24h': { label: '24 h', ms: 24 * HOUR, refreshMs: 60_000 },
  '7d': { label: '7 d', ms: 168 * HOUR, refreshMs: 300_000 },
} as const;
export type RangeName = keyof typeof RANGES;

/* Evidence of a few seconds still needs some surroundings to be read. */
const PAD_MIN_MS = 5 * 60_000;

export const padded = ({ from, to }: TimeRange): TimeRange => {
  const pad = Math.max(PAD_MIN_MS, (to - from) / 2);
  return { from: from - pad, to: to + pad };
};

/* What the charts show: the last hours, or the surroundings of evidence that lies before them. */
export function viewOf(name: RangeName, highlight: TimeRange | null, now: number): TimeRange & { following: boolean } {
  const live = { from: now - RANGES[name].ms, to: now, following: true };
  if (!highlight || highlight.from >= live.from) return live;
  return { ...padded(highlight), following: false };
}
