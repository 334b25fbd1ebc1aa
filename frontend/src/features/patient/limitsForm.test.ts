import { describe, expect, it } from 'vitest';
import type { Limits } from '@/lib/api/client';
import { changeOf, formOf, parseField } from './limitsForm';

const row = { warning_low: 60, warning_high: 100, critical_low: 40, critical_high: 130, delay_s: 5 };
const limits: Limits = {
  heart_rate: row,
  spo2: { warning_low: 92, critical_low: 90, delay_s: 10 },
  systolic: row,
  temperature: row,
  respiratory_rate: row,
  spo2_scale: 1,
  on_oxygen: false,
  consciousness: null,
  expected_interval_s: {},
};
const edit = (field: 'heart_rate' | 'spo2', key: string, value: string) => {
  const form = formOf(limits);
  return changeOf({ ...form, [field]: { ...form[field], [key]: value } }, limits);
};

describe('a field', () => {
  it.each([
    ['38.5', 38.5],
    [' 38,5 ', 38.5],
    ['-1', -1],
    ['', null],
    ['1e3', undefined],
    ['12x', undefined],
    ['1.2.3', undefined],
    ['0', 0],
  ])('%j is %j', (text, value) => expect(parseField(text)).toBe(value));
});

describe('a change', () => {
  it('of nothing is empty', () => {
    expect(changeOf(formOf(limits), limits)).toEqual({ change: {}, changes: 0, wrong: [], off: [] });
  });

  it('holds only what differs', () => {
    expect(edit('heart_rate', 'warning_low', '50')).toMatchObject({
      change: { heart_rate: { warning_low: 50 } },
      changes: 1,
    });
  });

  it('says which limit it switches off', () => {
    expect(edit('heart_rate', 'critical_high', '')).toMatchObject({
      change: { heart_rate: { critical_high: null } },
      off: ['heart_rate.critical_high'],
    });
  });

  it('never touches a side that the vital does not have', () => {
    expect(edit('spo2', 'warning_high', '99')).toMatchObject({ change: {}, changes: 0 });
  });

  it('names what is no number and sends nothing for it', () => {
    expect(edit('spo2', 'critical_low', 'abc')).toMatchObject({ change: {}, wrong: ['spo2.critical_low'] });
    expect(edit('spo2', 'delay_s', '')).toMatchObject({ change: {}, wrong: ['spo2.delay_s'] });
  });
});
