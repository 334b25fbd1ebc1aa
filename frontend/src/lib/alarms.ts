/* alarms.ts - what the ward's alerts mean for the eye and the ear.  Pure functions.
 *
 * Eye:  an alert is shown as long as it is open, acknowledged or not, paused or not.
 * Ear:  an open alert sounds until it is acknowledged, or while its patient's alarms are paused.
 * Source: docs clinical, "Alarm behaviour"; priorities as in IEC 60601-1-8. */
import type { Alert, Patient } from '@/lib/api/client';
import { parseTime } from '@/lib/time';
import type { VitalInfo } from '@/lib/vitals';

export type Priority = Alert['priority'];

/* From the worst to the best: the order of the ward.  `silent`: nothing fresh arrives. */
export const CATEGORIES = ['critical', 'warning', 'silent', 'technical', 'normal'] as const;
export type Category = (typeof CATEGORIES)[number];

const PRIORITY_RANK: Record<Priority, number> = { high: 0, medium: 1, low: 2 };

export const isOpen = (alert: Alert): boolean => alert.state !== 'closed';
export const openAlerts = (patient: Patient): Alert[] => patient.activeAlerts.filter(isOpen);

/* A severity of the patient that no open alert explains still counts: the worse of the two wins. */
export function categoryOf(patient: Patient): Category {
  const open = openAlerts(patient);
  const technical = open.some((alert) => alert.kind === 'technical');
  const body = open.filter((alert) => alert.kind === 'physiological').map((alert) => alert.severity);
  const stated = technical && body.length === 0 ? 'normal' : patient.alertSeverity;
  if (body.includes('critical') || stated === 'critical') return 'critical';
  if (body.includes('warning') || stated === 'warning') return 'warning';
  if (patient.status === 'silent') return 'silent';
  return technical ? 'technical' : 'normal';
}

/* The most urgent first: unanswered before answered, high before low, then the newest. */
export function byUrgency(a: Alert, b: Alert): number {
  return (
    Number(a.acknowledged) - Number(b.acknowledged) ||
    PRIORITY_RANK[a.priority] - PRIORITY_RANK[b.priority] ||
    b.onset.localeCompare(a.onset) ||
    a.id.localeCompare(b.id)
  );
}

/* The worst open alert on a vital; null when its value is not alarming. */
export function alertOn(patient: Patient, info: VitalInfo): Alert | null {
  const found = openAlerts(patient).filter(
    (alert) => alert.vital_type === info.alertType && alert.kind === 'physiological',
  );
  return found.sort((a, b) => PRIORITY_RANK[a.priority] - PRIORITY_RANK[b.priority])[0] ?? null;
}

/* A sensor of this vital is off. */
export const isLost = (patient: Patient, info: VitalInfo): boolean =>
  openAlerts(patient).some(
    (alert) => alert.kind === 'technical' && info.series.some((field) => alert.lost?.includes(field)),
  );

export const pausedUntil = (patient: Patient, now: number): number | null => {
  const end = parseTime(patient.alarmsPausedUntil);
  return end !== null && end > now ? end : null;
};

export const hasUnanswered = (patient: Patient): boolean => openAlerts(patient).some((alert) => !alert.acknowledged);

export function countCategories(patients: readonly Patient[]): Record<Category, number> {
  const counts: Record<Category, number> = { critical: 0, warning: 0, silent: 0, technical: 0, normal: 0 };
  for (const patient of patients) counts[categoryOf(patient)]++;
  return counts;
}

export interface SoundDemand {
  priority: Priority | null;
  highIds: readonly string[]; /* unanswered high-priority alerts: a new one ends a pause of the sound */
}

export function soundDemand(patients: readonly Patient[], now: number): SoundDemand {
  let priority: Priority | null = null;
  const highIds: string[] = [];
  for (const patient of patients) {
    if (pausedUntil(patient, now) !== null) continue;
    for (const alert of openAlerts(patient)) {
      if (alert.acknowledged) continue;
      if (priority === null || PRIORITY_RANK[alert.priority] < PRIORITY_RANK[priority]) priority = alert.priority;
      if (alert.priority === 'high') highIds.push(alert.id);
    }
  }
  return { priority, highIds };
}

/* Beds as people count them: ICU-2 before ICU-10.  A key that compares with < is many times
 * cheaper than Intl.Collator, and the ward is sorted at every change. */
export function bedKey(bed: string | null | undefined, id: string): string {
  const natural = (text: string) => text.toUpperCase().replace(/\d+/g, (digits) => digits.padStart(12, '0'));
  return `${bed ? natural(bed) : '\uffff'}\u0000${natural(id)}`;
}
