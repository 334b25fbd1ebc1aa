/* PatientPage.tsx - one patient: values large, then alarms, trends, summary, limits.
 *
 * Alarms and summary come from other features, so the app hands them in. */
import type { ReactNode } from 'react';
import { Link } from 'react-router';
import { News2Score } from '@/components/News2Score';
import { CATEGORY_WORDS, SeverityMark } from '@/components/SeverityMark';
import { VitalValue } from '@/components/VitalValue';
import { categoryOf, hasUnanswered } from '@/lib/alarms';
import type { Patient } from '@/lib/api/client';
import { useNow } from '@/lib/hooks';
import { formatAge, parseTime } from '@/lib/time';
import { VITALS } from '@/lib/vitals';
import { LimitsEditor } from './LimitsEditor';
import { PauseControl } from './PauseControl';
import type { TimeRange } from './ranges';
import { Trends } from './Trends';
import css from './PatientPage.module.css';

function Particulars({ patient, now }: { patient: Patient; now: number }) {
  const admitted = parseTime(patient.admissionDate);
  const facts = [
    patient.age !== null && `${patient.age} years`,
    patient.gender,
    patient.diagnosis,
    patient.attendingPhysician,
    admitted !== null && `admitted ${formatAge(now - admitted)} ago`,
    patient.id,
    patient.source && `source ${patient.source}`,
    patient.simulated && 'simulated',
  ];
  return <p className={css.facts}>{facts.filter(Boolean).join(' · ')}</p>;
}

function Implausible({ patient, now }: { patient: Patient; now: number }) {
  const { count, last } = patient.implausible;
  if (count === 0 || !last) return null;
  const at = parseTime(last.timestamp);
  return (
    <p className={css.facts}>
      {count} {count === 1 ? 'value was' : 'values were'} not believed; last: {last.vital} {last.value} ({last.reason}
      {at !== null && `, ${formatAge(now - at)} ago`}).
    </p>
  );
}

interface Props {
  patient: Patient;
  highlight: TimeRange | null;
  onClearHighlight: () => void;
  alarms: ReactNode;
  summary: ReactNode;
}

export function PatientPage({ patient, highlight, onClearHighlight, alarms, summary }: Props) {
  const now = useNow();
  const category = categoryOf(patient);
  const bed = patient.bedNumber || patient.id;
  return (
    <div className={css.page}>
      <header className={css.head} data-severity={category} data-unanswered={hasUnanswered(patient) || undefined}>
        <Link to="/" className={css.back}>
          ← Ward
        </Link>
        <SeverityMark category={category} size="2rem" />
        <h1 className={css.title}>
          {bed} <span className={css.name}>{patient.name}</span>
        </h1>
        <strong className={css.word}>{CATEGORY_WORDS[category]}</strong>
      </header>
      <div className={css.about}>
        <Particulars patient={patient} now={now} />
        <News2Score score={patient.news2} large />
      </div>
      <dl className={css.vitals} aria-label="Live values">
        {VITALS.map((info) => (
          <div key={info.field} className={css.tile}>
            <VitalValue patient={patient} info={info} now={now} size="big" />
          </div>
        ))}
      </dl>
      <Implausible patient={patient} now={now} />
      {alarms}
      <PauseControl patient={patient} />
      <div className={css.columns}>
        <Trends patient={patient} highlight={highlight} onClearHighlight={onClearHighlight} />
        <div className={css.summary}>{summary}</div>
      </div>
      <LimitsEditor patient={patient} />
    </div>
  );
}
