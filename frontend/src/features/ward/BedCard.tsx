import { memo } from 'react';
import { Link } from 'react-router';
import { AcknowledgeButton } from '@/components/AcknowledgeButton';
import { News2Score } from '@/components/News2Score';
import { CATEGORY_WORDS, SeverityMark } from '@/components/SeverityMark';
import { VitalValue } from '@/components/VitalValue';
import { byUrgency, categoryOf, hasUnanswered, openAlerts, pausedUntil } from '@/lib/alarms';
import type { Alert, Patient } from '@/lib/api/client';
import { formatAge, formatCountdown, parseTime } from '@/lib/time';
import { VITALS } from '@/lib/vitals';
import css from './BedCard.module.css';

const BIG = VITALS.slice(0, 2);
const MID = VITALS.slice(2);

function AlertLine({ alert, more, now }: { alert: Alert; more: number; now: number }) {
  const onset = parseTime(alert.onset);
  return (
    <>
      <p className={css.message}>
        {alert.message}
        <span className={css.since}>
          {alert.state === 'latched' ? ' · is over, began ' : ' · for '}
          {onset === null ? '?' : `${formatAge(now - onset)}${alert.state === 'latched' ? ' ago' : ''}`}
          {alert.acknowledged && ` · acknowledged${alert.acknowledged_by ? ` by ${alert.acknowledged_by}` : ''}`}
          {more > 0 && ` · and ${more} more`}
        </span>
      </p>
      {/* The key: another alert gets another button, with its own guard against stray clicks. */}
      <AcknowledgeButton key={alert.id} alert={alert} />
    </>
  );
}

function Silence({ patient, now }: Props) {
  const last = parseTime(patient.timestamp);
  return (
    <p className={css.message}>{last === null ? 'No data has come yet.' : `No data for ${formatAge(now - last)}.`}</p>
  );
}

interface Props {
  patient: Patient;
  now: number;
}

export const BedCard = memo(function BedCard({ patient, now }: Props) {
  const category = categoryOf(patient);
  const alerts = openAlerts(patient).sort(byUrgency);
  const first = alerts[0];
  const paused = pausedUntil(patient, now);
  const title = `bed-${patient.id}`;
  return (
    <article className={css.card} data-category={category} aria-labelledby={title}>
      <header className={css.head} data-severity={category} data-unanswered={hasUnanswered(patient) || undefined}>
        <SeverityMark category={category} size="1.3em" />
        <h2 id={title} className={css.bed}>
          <Link to={`/patients/${encodeURIComponent(patient.id)}`} className={css.link}>
            {patient.bedNumber || patient.id}
          </Link>
        </h2>
        <span className={css.word}>{CATEGORY_WORDS[category]}</span>
      </header>
      <p className={css.who}>
        <span className={css.name} title={patient.name}>
          {patient.name}
        </span>
        <News2Score score={patient.news2} />
      </p>
      <dl className={css.big}>
        {BIG.map((info) => (
          <VitalValue key={info.field} patient={patient} info={info} now={now} size="big" />
        ))}
      </dl>
      <dl className={css.mid}>
        {MID.map((info) => (
          <VitalValue key={info.field} patient={patient} info={info} now={now} size="mid" />
        ))}
      </dl>
      <footer className={css.foot}>
        {first && <AlertLine alert={first} more={alerts.length - 1} now={now} />}
        {patient.status === 'silent' && <Silence patient={patient} now={now} />}
        {paused !== null && <p className={css.paused}>Alarm sound paused, {formatCountdown(paused - now)} left</p>}
      </footer>
    </article>
  );
});
