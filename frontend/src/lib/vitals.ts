/* vitals.ts - the vital signs: names, units, decimals, and where their values lie.
 *
 * Units and decimals are those of backend/clinical/vital.c. */
import type { Alert, Limits, Patient } from '@/lib/api/client';

export type VitalField = 'heartRate' | 'spO2' | 'bloodPressure' | 'temperature' | 'respiratory';
export type SeriesField = 'heartRate' | 'spO2' | 'systolic' | 'diastolic' | 'temperature' | 'respiratory';
export type LimitField = 'heart_rate' | 'spo2' | 'systolic' | 'temperature' | 'respiratory_rate';

export interface VitalInfo {
  field: VitalField;
  label: string;
  short: string;
  unit: string;
  decimals: number;
  alertType: Alert['vital_type'];
  limits: LimitField;
  series: readonly SeriesField[];
  /* What a chart shows at least, so that noise is not magnified into a crisis. */
  scale: readonly [number, number];
}

/* In the order in which a round is read: circulation, oxygen, pressure, breathing, temperature. */
export const VITALS: readonly VitalInfo[] = [
  {
    field: 'heartRate',
    label: 'Heart rate',
    short: 'HR',
    unit: 'bpm',
    decimals: 0,
    alertType: 'heart_rate',
    limits: 'heart_rate',
    series: ['heartRate'],
    scale: [40, 140],
  },
  {
    field: 'spO2',
    label: 'Oxygen saturation',
    short: 'SpO₂',
    unit: '%',
    decimals: 0,
    alertType: 'spo2',
    limits: 'spo2',
    series: ['spO2'],
    scale: [85, 100],
  },
  {
    field: 'bloodPressure',
    label: 'Blood pressure',
    short: 'BP',
    unit: 'mmHg',
    decimals: 0,
    alertType: 'blood_pressure',
    limits: 'systolic',
    series: ['systolic', 'diastolic'],
    scale: [40, 200],
  },
  {
    field: 'respiratory',
    label: 'Respiratory rate',
    short: 'RR',
    unit: '/min',
    decimals: 0,
    alertType: 'respiratory_rate',
    limits: 'respiratory_rate',
    series: ['respiratory'],
    scale: [5, 35],
  },
  {
    field: 'temperature',
    label: 'Temperature',
    short: 'Temp',
    unit: '°C',
    decimals: 1,
    alertType: 'temperature',
    limits: 'temperature',
    series: ['temperature'],
    scale: [35, 40],
  },
];

export const LIMIT_KEYS = ['critical_low', 'warning_low', 'warning_high', 'critical_high'] as const;
export type LimitKey = (typeof LIMIT_KEYS)[number];

export const limitsOf = (limits: Limits, info: VitalInfo) => limits[info.limits];

/* "—" says that there is no value that may be believed now. */
export const NO_VALUE = '—';

export function formatNumber(value: number | null | undefined, decimals: number): string {
  return value === null || value === undefined || !Number.isFinite(value) ? NO_VALUE : value.toFixed(decimals);
}

export function formatVital(patient: Patient, info: VitalInfo): string {
  if (info.field !== 'bloodPressure') return formatNumber(patient.vitals[info.field], info.decimals);
  const { systolic, diastolic } = patient.vitals.bloodPressure;
  if (systolic === null && diastolic === null) return NO_VALUE;
  return `${formatNumber(systolic, 0)}/${formatNumber(diastolic, 0)}`;
}

export const hasVital = (patient: Patient, info: VitalInfo): boolean => formatVital(patient, info) !== NO_VALUE;
