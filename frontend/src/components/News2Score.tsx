/* News2Score.tsx - NEWS2 as it is known: one number only when every input is fresh. */
import type { News2 } from '@/lib/api/client';
import css from './News2Score.module.css';

const BAND_WORDS: Record<News2['band'], string> = {
  low: 'low',
  'low-medium': 'low–medium',
  medium: 'medium',
  high: 'high',
  unknown: 'unknown',
};
const INPUT_WORDS: Record<string, string> = {
  heartRate: 'heart rate',
  heart_rate: 'heart rate',
  pulse: 'heart rate',
  spO2: 'SpO₂',
  spo2: 'SpO₂',
  systolic: 'blood pressure',
  bloodPressure: 'blood pressure',
  blood_pressure: 'blood pressure',
  respiratory: 'respiratory rate',
  respiratory_rate: 'respiratory rate',
  on_oxygen: 'oxygen',
};

const words = (inputs: readonly string[]) => inputs.map((input) => INPUT_WORDS[input] ?? input).join(', ');

export function news2Text({ low, high }: News2): string {
  return low === high ? String(low) : `${low}–${high}`;
}

export function news2Gaps({ missing, stale }: News2): string {
  const parts = [missing.length && `${words(missing)} missing`, stale.length && `${words(stale)} too old`];
  return parts.filter(Boolean).join('; ');
}

export function News2Score({ score, large = false }: { score: News2; large?: boolean }) {
  const gaps = news2Gaps(score);
  return (
    <span className={css.score} data-large={large || undefined} title={gaps || undefined}>
      <span className={css.label}>NEWS2</span> <strong>{news2Text(score)}</strong>
      {score.band !== 'unknown' && <span className={css.band}>{BAND_WORDS[score.band]}</span>}
      {large ? gaps && <span className={css.gaps}>{gaps}</span> : gaps && <span className="for-ears">({gaps})</span>}
    </span>
  );
}
