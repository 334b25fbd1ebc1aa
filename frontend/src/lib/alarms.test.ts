import { describe, expect, it } from 'vitest';
import { alertOf, iso, NOW, patientOf, technicalOf, warningOf } from '@/testing/patients';
import { alertOn, bedKey, byUrgency, categoryOf, countCategories, hasUnanswered, isLost, soundDemand } from './alarms';
import { VITALS } from './vitals';

const [heartRate, spO2] = VITALS;

describe('the category of a bed', () => {
  it.each([
    ['normal', {}],
    ['critical', { activeAlerts: [alertOf()], alertSeverity: 'critical' }],
    ['critical', { activeAlerts: [warningOf(), alertOf()], alertSeverity: 'critical' }],
    ['critical', { alertSeverity: 'critical' }],
    ['critical', { activeAlerts: [alertOf({ acknowledged: true })], alertSeverity: 'critical' }],
    ['critical', { activeAlerts: [alertOf({ state: 'latched', end: iso(NOW) })], alertSeverity: 'normal' }],
    ['warning', { activeAlerts: [warningOf()], alertSeverity: 'warning' }],
    ['warning', { activeAlerts: [technicalOf(), warningOf()], alertSeverity: 'warning' }],
    ['technical', { activeAlerts: [technicalOf()], alertSeverity: 'warning' }],
    ['silent', { status: 'silent' }],
    ['silent', { status: 'silent', activeAlerts: [technicalOf({ priority: 'medium' })] }],
    ['critical', { status: 'silent', activeAlerts: [alertOf()] }],
    ['normal', { activeAlerts: [alertOf({ state: 'closed' })] }],
    ['normal', { alertSeverity: 'info' }],
  ] as const)('is %s', (category, change) => {
    expect(categoryOf(patientOf(change as never))).toBe(category);
  });

  it('is counted', () => {
    const patients = [patientOf(), patientOf({ activeAlerts: [alertOf()] }), patientOf({ status: 'silent' })];
    expect(countCategories(patients)).toEqual({ critical: 1, warning: 0, technical: 0, silent: 1, normal: 1 });
  });
});

describe('urgency', () => {
  it('puts the unanswered before the answered, then high before low, then the newest', () => {
    const answered = alertOf({ id: 'answered', acknowledged: true });
    const low = technicalOf({ id: 'low' });
    const older = alertOf({ id: 'older', onset: iso(NOW - 90_000) });
    const newer = alertOf({ id: 'newer' });
    expect([answered, low, older, newer].sort(byUrgency).map(({ id }) => id)).toEqual([
      'newer',
      'older',
      'low',
      'answered',
    ]);
  });
});

describe('an alert on a vital', () => {
  it('is the worst that is open', () => {
    const patient = patientOf({ activeAlerts: [warningOf({ id: 'w' }), alertOf({ id: 'c' })] });
    expect(alertOn(patient, heartRate!)?.id).toBe('c');
    expect(alertOn(patient, spO2!)).toBeNull();
  });

  it('of a sensor marks the vitals that are lost', () => {
    const patient = patientOf({ activeAlerts: [technicalOf({ lost: ['spO2'] })] });
    expect(isLost(patient, spO2!)).toBe(true);
    expect(isLost(patient, heartRate!)).toBe(false);
  });
});

describe('what sounds', () => {
  const sounding = (...patients: Parameters<typeof patientOf>[0][]) =>
    soundDemand(patients.map(patientOf), NOW).priority;

  it('is the highest priority that nobody has answered', () => {
    expect(sounding({})).toBeNull();
    expect(sounding({ activeAlerts: [technicalOf()] })).toBe('low');
    expect(sounding({ activeAlerts: [technicalOf(), warningOf()] })).toBe('medium');
    expect(sounding({ activeAlerts: [warningOf()] }, { activeAlerts: [alertOf()] })).toBe('high');
    expect(sounding({ activeAlerts: [alertOf({ acknowledged: true }), warningOf()] })).toBe('medium');
    expect(sounding({ activeAlerts: [alertOf({ acknowledged: true })] })).toBeNull();
  });

  it('goes on for a high-priority condition that is over, until somebody acknowledges', () => {
    expect(sounding({ activeAlerts: [alertOf({ state: 'latched', end: iso(NOW) })] })).toBe('high');
  });

  it('rests while the patient is paused, and only so long', () => {
    const activeAlerts = [alertOf()];
    expect(sounding({ activeAlerts, alarmsPausedUntil: iso(NOW + 1000) })).toBeNull();
    expect(sounding({ activeAlerts, alarmsPausedUntil: iso(NOW - 1000) })).toBe('high');
    expect(sounding({ activeAlerts, alarmsPausedUntil: iso(NOW + 1000) }, { activeAlerts: [warningOf()] })).toBe(
      'medium',
    );
  });

  it('rests, but the light stays, after an acknowledgement', () => {
    const patient = patientOf({ activeAlerts: [alertOf({ acknowledged: true })] });
    expect(categoryOf(patient)).toBe('critical');
    expect(hasUnanswered(patient)).toBe(false);
  });
});

describe('beds', () => {
  it('are in the order in which people count, those without a bed last', () => {
    const beds = ['ICU-10', 'ICU-2', 'icu-1', null, 'ER-3'];
    const sorted = [...beds].sort((a, b) => (bedKey(a, 'P1') < bedKey(b, 'P1') ? -1 : 1));
    expect(sorted).toEqual(['ER-3', 'icu-1', 'ICU-2', 'ICU-10', null]);
  });
});
