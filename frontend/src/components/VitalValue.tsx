/* VitalValue.tsx - one vital: label, value, unit; its alarm as colour and mark; its age when it is
 * not of now.  A value that is missing is a dash with the time of the last one. */
import type { Patient } from '@/lib/api/client';
import { alertOn, isLost } from '@/lib/alarms';
import { formatAge, parseTime } from '@/lib/time';
import { formatVital, NO_VALUE, type VitalInfo } from '@/lib/vitals';
import { SeverityMark } from './SeverityMark';
import css from './VitalValue.module.css';

/* Older than this, a value that is still valid (a cuff pressure) shows its age. */
const AGE_SHOWN_MS = 90_000;

function ageOf(patient: Patient, info: VitalInfo, now: number): string | null {
  const time = parseTime(patient.vitalTimes[info.field]);
  const missing = formatVital(patient, info) === NO_VALUE;
  if (time === null) return missing ? 'not measured' : null;
  const age = now - time;
  if (missing) return `last ${formatAge(age)} ago`;
  return age > AGE_SHOWN_MS ? `${formatAge(age)} ago` : null;
}

interface Props {
  patient: Patient;
  info: VitalInfo;
  now: number;
  size: 'big' | 'mid';
}

export function VitalValue({ patient, info, now, size }: Props) {
  const alert = alertOn(patient, info);
  const body = alert?.severity === 'critical' || alert?.severity === 'warning' ? alert.severity : undefined;
  const severity = body ?? (isLost(patient, info) ? 'technical' : undefined);
  const text = formatVital(patient, info);
  /* A patient without any data says so once, on the whole. */
  const age = patient.status === 'silent' ? null : ageOf(patient, info, now);
  /* The condition is over: its mark stays until somebody answers, the value is not alarming. */
  const over = alert?.state === 'latched';
  return (
    <div
      className={css.vital}
      data-size={size}
      data-alarm={over ? undefined : severity}
      data-absent={text === NO_VALUE || undefined}
    >
      <dt className={css.label} title={info.label}>
        <abbr title={info.label}>{info.short}</abbr> <span className={css.unit}>{info.unit}</span>
        {severity && <SeverityMark category={severity} />}
        {severity && <span className="for-ears">{over ? `${severity}, is over` : severity}</span>}
      </dt>
      <dd className={css.value}>{text}</dd>
      {age && <dd className={css.age}>{age}</dd>}
    </div>
  );
}
