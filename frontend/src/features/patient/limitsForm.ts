/* limitsForm.ts - between the limits of the server and the fields of a form.  Pure. */
import type { Limits, LimitsChange, VitalLimits } from '@/lib/api/client';
import { LIMIT_KEYS, type LimitField, VITALS } from '@/lib/vitals';

export const FORM_KEYS = [...LIMIT_KEYS, 'delay_s'] as const;
export type FormKey = (typeof FORM_KEYS)[number];
export type LimitsForm = Record<LimitField, Record<FormKey, string>>;

/* A vital may have no limit on one side (nobody has too much oxygen in the blood). */
export const hasLimit = (limits: Limits, field: LimitField, key: FormKey): boolean => limits[field][key] !== undefined;

const text = (value: number | null | undefined): string => (value === null || value === undefined ? '' : String(value));

export function formOf(limits: Limits): LimitsForm {
  const entries = VITALS.map(({ limits: field }) => {
    const row = limits[field];
    return [field, Object.fromEntries(FORM_KEYS.map((key) => [key, text(row[key])]))];
  });
  return Object.fromEntries(entries) as LimitsForm;
}

/* undefined: not a number.  Empty: the limit is off.  A decimal comma is what many people type. */
export function parseField(value: string): number | null | undefined {
  const trimmed = value.trim().replace(',', '.');
  if (trimmed === '') return null;
  return /^-?\d+(\.\d+)?$/.test(trimmed) ? Number(trimmed) : undefined;
}

export interface FormResult {
  change: LimitsChange;
  changes: number;
  wrong: string[]; /* "heart_rate.warning_high" */
  off: string[]; /* limits that this change switches off */
}

/* Only what differs is sent; what is not a number is named and nothing is guessed. */
export function changeOf(form: LimitsForm, limits: Limits): FormResult {
  const result: FormResult = { change: {}, changes: 0, wrong: [], off: [] };
  for (const { limits: field } of VITALS) {
    const row: VitalLimits = {};
    for (const key of FORM_KEYS) {
      if (!hasLimit(limits, field, key)) continue;
      const value = parseField(form[field][key]);
      const name = `${field}.${key}`;
      if (value === undefined || (key === 'delay_s' && value === null)) result.wrong.push(name);
      else if (value !== (limits[field][key] ?? null)) {
        Object.assign(row, { [key]: value });
        result.changes++;
        if (value === null) result.off.push(name);
      }
    }
    if (Object.keys(row).length > 0) result.change[field] = row;
  }
  return result;
}
