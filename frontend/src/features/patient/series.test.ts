import { describe, expect, it } from 'vitest';
import type { HistoryPoint, VitalsHistory } from '@/lib/api/client';
import { VITALS } from '@/lib/vitals';
import { alertOf, iso, NOW, warningOf } from '@/testing/patients';
import { viewOf } from './ranges';
import { chartData, describe as say, episodes, extremes, samplesOf, tableRows } from './series';

const at = (s: number, value: number, more: Partial<HistoryPoint> = {}): HistoryPoint => ({
  timestamp: iso(NOW + s * 1000),
  value,
  ...more,
});
const history = (change: Partial<VitalsHistory>): VitalsHistory => ({
  heartRate: [], spO2: [], systolic: [], diastolic: [], temperature: [], respiratory: [], bucket_s: 0, ...change,
});
const [heartRate, , pressure] = VITALS;
const seconds = (...values: number[]) => values.map((s) => NOW / 1000 + s);

describe('chart data', () => {
  it('breaks the line where samples are missing, and nowhere else', () => {
    const data = chartData(history({ heartRate: [at(0, 70), at(1, 71), at(2, 72), at(20, 80), at(21, 81)] }), [
      'heartRate',
    ]);
    expect(data.x).toEqual(seconds(0, 1, 2, 11, 20, 21));
    expect(data.columns[0]).toEqual([70, 71, 72, null, 80, 81]);
  });

  it('knows the usual pace of a cuff', () => {
    const points = [at(0, 120), at(900, 121), at(1800, 122)];
    expect(chartData(history({ systolic: points, diastolic: points }), ['systolic', 'diastolic']).x).toHaveLength(3);
  });

  it('puts two vitals on one axis', () => {
    const data = chartData(history({ systolic: [at(0, 120), at(1, 121)], diastolic: [at(1, 80)] }), [
      'systolic',
      'diastolic',
    ]);
    expect(data.columns[0]).toEqual([120, 121]);
    expect(data.columns[3]).toEqual([null, 80]);
  });

  it('has a band where buckets have one', () => {
    const data = chartData(history({ heartRate: [at(0, 70, { min: 60, max: 90, count: 5 })], bucket_s: 60 }), [
      'heartRate',
    ]);
    expect(data.columns).toEqual([[70], [60], [90]]);
    expect(data.banded).toBe(true);
    expect(chartData(history({ heartRate: [at(0, 70)] }), ['heartRate']).banded).toBe(false);
  });

  it('of nothing is empty', () => {
    expect(chartData(history({}), ['heartRate'])).toEqual({ x: [], columns: [[], [], []], banded: false });
  });
});

describe('words', () => {
  it('name the lowest and the highest with their times', () => {
    const text = say(history({ heartRate: [at(0, 70), at(60, 142), at(120, 55)] }), heartRate!, NOW);
    expect(text).toMatch(/lowest 55 \(.*\), highest 142 \(/);
    expect(say(history({}), heartRate!, NOW)).toBe('no values');
    expect(say(history({ systolic: [at(0, 120)] }), pressure!, NOW)).toMatch(
      /^systolic lowest 120 .*; diastolic no values$/,
    );
  });

  it('use the extremes of the buckets, not their means', () => {
    const found = extremes(samplesOf([at(0, 80, { min: 40, max: 150, count: 60 })]));
    expect(found?.lowest.min).toBe(40);
    expect(found?.highest.max).toBe(150);
  });
});

describe('episodes', () => {
  it('are the alerts of the vital; an open one reaches to now', () => {
    const closed = warningOf({ onset: iso(NOW - 500_000), end: iso(NOW - 400_000), state: 'closed' });
    const found = episodes([alertOf(), closed, alertOf({ vital_type: 'spo2' })], heartRate!, NOW);
    expect(found).toEqual([
      { from: NOW - 60_000, to: NOW, severity: 'critical' },
      { from: NOW - 500_000, to: NOW - 400_000, severity: 'warning' },
    ]);
  });
});

describe('the table', () => {
  it('merges samples into rows, weighted, the newest first', () => {
    const rows = tableRows(
      history({ heartRate: [at(0, 70, { min: 70, max: 70, count: 3 }), at(1, 90), at(50, 100)] }),
      ['heartRate', 'spO2'],
      NOW,
      NOW + 60_000,
      6,
    );
    expect(rows.map(({ time }) => time)).toEqual([NOW + 50_000, NOW]);
    expect(rows[1]!.cells[0]).toMatchObject({ mean: 75, min: 70, max: 90, count: 4 });
    expect(rows[0]!.cells[1]).toBeNull();
  });
});

describe('the view', () => {
  it('follows the present, unless the evidence lies before it', () => {
    expect(viewOf('1h', null, NOW)).toMatchObject({ from: NOW - 3_600_000, to: NOW, following: true });
    const recent = { from: NOW - 60_000, to: NOW };
    expect(viewOf('1h', recent, NOW).following).toBe(true);
    const old = { from: NOW - 7_200_000, to: NOW - 7_190_000 };
    const view = viewOf('1h', old, NOW);
    expect(view.following).toBe(false);
    expect(view.from).toBeLessThan(old.from);
    expect(view.to).toBeGreaterThan(old.to);
  });
});
