import type { VitalsHistory } from '@/lib/api/client';
import { formatMoment } from '@/lib/time';
import { formatNumber, NO_VALUE, type SeriesField, VITALS } from '@/lib/vitals';
import type { TimeRange } from './ranges';
import { type Sample, tableRows } from './series';
import css from './Trends.module.css';

const ROWS = 48;

const COLUMNS = VITALS.flatMap((info) =>
  info.series.map((field) => ({
    field,
    decimals: info.decimals,
    label: field === 'systolic' ? 'Systolic' : field === 'diastolic' ? 'Diastolic' : info.label,
    unit: info.unit,
  })),
);
const FIELDS: SeriesField[] = COLUMNS.map(({ field }) => field);

function cellText(sample: Sample | null, decimals: number): string {
  if (!sample) return NO_VALUE;
  const [mean, min, max] = [sample.mean, sample.min, sample.max].map((value) => formatNumber(value, decimals));
  return min === max ? mean! : `${mean} (${min}–${max})`;
}

export function TrendTable({ history, range, now }: { history: VitalsHistory; range: TimeRange; now: number }) {
  const rows = tableRows(history, FIELDS, range.from, range.to, ROWS);
  return (
    <div className={css.scroll} tabIndex={0} role="region" aria-label="Trend table">
      <table className={css.table}>
        <caption>Mean, and lowest to highest, from each time on. The newest first.</caption>
        <thead>
          <tr>
            <th scope="col">Time</th>
            {COLUMNS.map(({ field, label, unit }) => (
              <th scope="col" key={field}>
                {label} <span className={css.unit}>{unit}</span>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.time}>
              <th scope="row">{formatMoment(row.time, now)}</th>
              {row.cells.map((cell, i) => (
                <td key={COLUMNS[i]!.field}>{cellText(cell, COLUMNS[i]!.decimals)}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
