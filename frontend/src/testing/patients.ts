/* patients.ts - patients and alerts for unit tests: complete objects, with what a test changes. */
import type { Alert, Patient } from '@/lib/api/client';

export const NOW = Date.parse('2026-11-23T03:00:00.000Z');
export const iso = (ms: number): string => new Date(ms).toISOString();

export const noVitals = {
  heartRate: null,
  spO2: null,
  bloodPressure: { systolic: null, diastolic: null },
  temperature: null,
  respiratory: null,
};

export function alertOf(change: Partial<Alert> = {}): Alert {
  const onset = change.onset ?? iso(NOW - 60_000);
  return {
    id: `P001.tachycardia.${Date.parse(onset)}`,
    patient_id: 'P001',
    patient_name: 'Anna Keller',
    bed_number: 'ICU-101',
    type: 'Tachycardia Alert',
    message: 'Critical tachycardia detected. Heart rate: 142 bpm (threshold: >=130)',
    severity: 'critical',
    priority: 'high',
    kind: 'physiological',
    vital_type: 'heart_rate',
    vital_value: 142,
    threshold: 130,
    timestamp: onset,
    onset,
    peak_value: 142,
    peak_at: onset,
    end: null,
    state: 'active',
    acknowledged: false,
    acknowledged_by: null,
    acknowledged_at: null,
    version: 1,
    ...change,
  };
}

export const warningOf = (change: Partial<Alert> = {}): Alert =>
  alertOf({ severity: 'warning', priority: 'medium', ...change });

export const technicalOf = (change: Partial<Alert> = {}): Alert =>
  alertOf({
    type: 'Sensor Disconnection',
    kind: 'technical',
    severity: 'warning',
    priority: 'low',
    vital_type: 'sensor',
    vital_value: null,
    threshold: null,
    ...change,
  });

export function patientOf(change: Partial<Patient> = {}): Patient {
  const time = iso(NOW - 1000);
  return {
    id: 'P001',
    name: 'Anna Keller',
    bedNumber: 'ICU-101',
    age: 61,
    gender: 'female',
    admissionDate: iso(NOW - 86_400_000),
    diagnosis: 'Sepsis',
    attendingPhysician: 'Dr. Frey',
    vitals: {
      heartRate: 72,
      spO2: 97,
      bloodPressure: { systolic: 122, diastolic: 76 },
      temperature: 36.84,
      respiratory: 15,
    },
    alertSeverity: 'normal',
    timestamp: time,
    vitalTimes: { heartRate: time, spO2: time, bloodPressure: time, temperature: time, respiratory: time },
    stale: [],
    news2: { low: 1, high: 4, scale: 1, missing: ['consciousness'], stale: [], band: 'low' },
    source: 'monitor-7',
    simulated: false,
    status: 'monitored',
    alarmsPausedUntil: null,
    activeAlerts: [],
    implausible: { count: 0, last: null },
    ...change,
  };
}
