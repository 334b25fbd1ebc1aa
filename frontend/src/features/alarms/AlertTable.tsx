import { Link } from 'react-router';
import { AcknowledgeButton } from '@/components/AcknowledgeButton';
import { CATEGORY_WORDS, SeverityMark } from '@/components/SeverityMark';
import type { Category } from '@/lib/alarms';
import type { Alert } from '@/lib/api/client';
import { formatAge, formatMoment, parseTime } from '@/lib/time';
import css from './AlertTable.module.css';

export function alertCategory(alert: Alert): Category {
  if (alert.kind === 'technical') return 'technical';
  return alert.severity === 'critical' ? 'critical' : alert.severity === 'warning' ? 'warning' : 'normal';
}

function stateText(alert: Alert, now: number): string {
  const end = parseTime(alert.end);
  if (alert.state === 'active') return 'active';
  if (alert.state === 'latched') return 'over, not acknowledged';
  return end === null ? 'ended' : `ended ${formatMoment(end, now)}`;
}

function answeredText(alert: Alert, now: number): string {
  if (!alert.acknowledged) return '';
  const at = parseTime(alert.acknowledged_at);
  return `${alert.acknowledged_by ?? 'acknowledged'}${at === null ? '' : `, ${formatMoment(at, now)}`}`;
}

function Duration({ alert, now }: { alert: Alert; now: number }) {
  const onset = parseTime(alert.onset);
  if (onset === null) return null;
  return <>{formatAge((parseTime(alert.end) ?? now) - onset)}</>;
}

interface Props {
  alerts: readonly Alert[];
  now: number;
  caption: string;
  withBed?: boolean;
}

export function AlertTable({ alerts, now, caption, withBed = true }: Props) {
  return (
    <div className={css.scroll}>
      <table className={css.table}>
        <caption className="for-ears">{caption}</caption>
        <thead>
          <tr>
            <th scope="col">Severity</th>
            {withBed && <th scope="col">Bed</th>}
            <th scope="col">Alarm</th>
            <th scope="col">Since</th>
            <th scope="col">Lasted</th>
            <th scope="col">State</th>
            <th scope="col">Acknowledged</th>
          </tr>
        </thead>
        <tbody>
          {alerts.map((alert) => {
            const category = alertCategory(alert);
            const onset = parseTime(alert.onset);
            const open = alert.state !== 'closed';
            return (
              <tr key={alert.id} data-open={open || undefined}>
                <td className={css.severity}>
                  <span
                    className={css.tag}
                    data-severity={open ? category : undefined}
                    data-unanswered={(open && !alert.acknowledged) || undefined}
                  >
                    <SeverityMark category={category} /> {CATEGORY_WORDS[category]}
                  </span>
                </td>
                {withBed && (
                  <td>
                    <Link to={`/patients/${encodeURIComponent(alert.patient_id)}`} className={css.bed}>
                      {alert.bed_number || alert.patient_id}
                    </Link>
                    <div className={css.dim}>{alert.patient_name}</div>
                  </td>
                )}
                <td className={css.message}>{alert.message}</td>
                <td className={css.time} data-label="since">
                  {onset === null ? '?' : formatMoment(onset, now)}
                </td>
                <td className={css.time} data-label="for">
                  <Duration alert={alert} now={now} />
                </td>
                <td className={css.state}>{stateText(alert, now)}</td>
                <td className={css.answer}>
                  {open && !alert.acknowledged ? <AcknowledgeButton alert={alert} /> : answeredText(alert, now)}
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}
