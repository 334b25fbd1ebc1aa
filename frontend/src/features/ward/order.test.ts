import { describe, expect, it } from 'vitest';
import type { Patient } from '@/lib/api/client';
import { alertOf, patientOf, technicalOf, warningOf } from '@/testing/patients';
import { filterWard, holdOrder, sortWard } from './order';

const ids = (patients: readonly Patient[]) => patients.map(({ id }) => id);
const ward = [
  patientOf({ id: 'P1', bedNumber: 'ICU-101' }),
  patientOf({ id: 'P2', bedNumber: 'ICU-102', activeAlerts: [technicalOf()] }),
  patientOf({ id: 'P3', bedNumber: 'ICU-103', activeAlerts: [warningOf()], alertSeverity: 'warning' }),
  patientOf({ id: 'P4', bedNumber: 'ICU-104', status: 'silent' }),
  patientOf({ id: 'P5', bedNumber: 'ICU-105', activeAlerts: [alertOf()], alertSeverity: 'critical' }),
  patientOf({
    id: 'P6',
    bedNumber: 'ICU-99',
    activeAlerts: [alertOf({ acknowledged: true })],
    alertSeverity: 'critical',
  }),
];

describe('the order of the ward', () => {
  it('is by severity, then by bed', () => {
    expect(ids(sortWard(ward, 'severity'))).toEqual(['P6', 'P5', 'P3', 'P4', 'P2', 'P1']);
  });

  it('can be by bed alone', () => {
    expect(ids(sortWard(ward, 'bed'))).toEqual(['P6', 'P1', 'P2', 'P3', 'P4', 'P5']);
  });

  it('is the same whatever the order in which the patients come', () => {
    const expected = ids(sortWard(ward, 'severity'));
    for (let turn = 0; turn < ward.length; turn++)
      expect(ids(sortWard([...ward.slice(turn), ...ward.slice(0, turn)].reverse(), 'severity'))).toEqual(expected);
  });

  it('does not change when only values change', () => {
    const changed = ward.map((patient) => ({
      ...patient,
      vitals: { ...patient.vitals, heartRate: Math.random() * 100 },
    }));
    expect(ids(sortWard(changed, 'severity'))).toEqual(ids(sortWard(ward, 'severity')));
  });

  it('is total: two patients in one bed keep their places', () => {
    const twins = [patientOf({ id: 'B' }), patientOf({ id: 'A' })];
    expect(ids(sortWard(twins, 'severity'))).toEqual(['A', 'B']);
    expect(ids(sortWard(twins.toReversed(), 'severity'))).toEqual(['A', 'B']);
  });

  it('leaves what it was given as it was', () => {
    const before = ids(ward);
    sortWard(ward, 'severity');
    expect(ids(ward)).toEqual(before);
  });
});

describe('the filter', () => {
  const find = (text: string) => ids(filterWard(ward, { text, category: null }));

  it('finds beds, names, ids, diagnoses; all words must occur', () => {
    expect(find('icu-103')).toEqual(['P3']);
    expect(find('KELLER 105')).toEqual(['P5']);
    expect(find('sepsis')).toHaveLength(6);
    expect(find('nobody')).toEqual([]);
    expect(find('  ')).toHaveLength(6);
  });

  it('shows one category', () => {
    expect(ids(filterWard(ward, { text: '', category: 'critical' }))).toEqual(['P5', 'P6']);
    expect(ids(filterWard(ward, { text: '105', category: 'warning' }))).toEqual([]);
  });
});

describe('held places', () => {
  it('stay, with what is new behind and no hole for what is gone', () => {
    const [p1, p2, p3] = ward as [Patient, Patient, Patient];
    const newer = { ...p1, name: 'now' };
    const shown = holdOrder([p3, newer], ['P1', 'P2']);
    expect(ids(shown)).toEqual(['P1', 'P3']);
    expect(shown[0]).toBe(newer);
    expect(holdOrder([p2, p1], null)).toEqual([p2, p1]);
  });
});
