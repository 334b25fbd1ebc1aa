import type { Alert } from '@/lib/api/client';

export const TYPES: readonly Alert['type'][] = [
  'Tachycardia Alert',
  'Bradycardia Alert',
  'Hypoxia Alert',
  'Hypertensive Crisis',
  'Hypotension Alert',
  'Fever Alert',
  'Hypothermia Alert',
  'Tachypnea Alert',
  'Bradypnea Alert',
  'Sensor Disconnection',
];

export const NO_FILTER = { text: '', severity: '', type: '' };
export type AlertFilter = typeof NO_FILTER;

/* An empty field lets everything through. */
export function filterAlerts(alerts: readonly Alert[], { text, severity, type }: AlertFilter): Alert[] {
  const wanted = text.trim().toLowerCase();
  return alerts.filter((alert) => {
    const kind = alert.kind === 'technical' ? 'technical' : alert.severity;
    if (severity && kind !== severity) return false;
    if (type && alert.type !== type) return false;
    return `${alert.bed_number || ''} ${alert.patient_name ?? ''} ${alert.patient_id}`.toLowerCase().includes(wanted);
  });
}
