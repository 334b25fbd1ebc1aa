// @vitest-environment jsdom
import { MantineProvider } from '@mantine/core';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { cleanup, render, screen } from '@testing-library/react';
import type { ReactNode } from 'react';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Role } from '@/lib/api/client';
import { session } from '@/lib/session';
import { VITALS } from '@/lib/vitals';
import { alertOf, iso, NOW, patientOf } from '@/testing/patients';
import { AcknowledgeButton } from './AcknowledgeButton';
import { News2Score } from './News2Score';
import { VitalValue } from './VitalValue';

const show = (node: ReactNode) =>
  render(
    <MantineProvider env="test">
      <QueryClientProvider client={new QueryClient()}>{node}</QueryClientProvider>
    </MantineProvider>,
  );

function signIn(role: Role) {
  const user = {
    id: 1,
    username: 'kim',
    email: null,
    full_name: null,
    role,
    is_active: true,
    created_at: iso(NOW),
    last_login: null,
  };
  session.begin('T', user, 3600);
}

/* jsdom has no media queries; Mantine asks for them. */
beforeAll(() => {
  window.matchMedia = (media) =>
    ({ media, matches: false, addEventListener() {}, removeEventListener() {} }) as unknown as MediaQueryList;
});
beforeEach(() => signIn('nurse'));
afterEach(cleanup);

describe('a vital', () => {
  const [heartRate] = VITALS;
  const gone = patientOf({
    vitals: { ...patientOf().vitals, heartRate: null },
    vitalTimes: { ...patientOf().vitalTimes, heartRate: iso(NOW - 720_000) },
  });

  it('that is stale is a dash with the age of the last value', () => {
    show(<VitalValue patient={gone} info={heartRate!} now={NOW} size="big" />);
    expect(screen.getByText('—')).toBeTruthy();
    expect(screen.getByText('last 12 min ago')).toBeTruthy();
  });

  it('that never came says so', () => {
    const never = { ...gone, vitalTimes: { ...gone.vitalTimes, heartRate: null } };
    show(<VitalValue patient={never} info={heartRate!} now={NOW} size="big" />);
    expect(screen.getByText('not measured')).toBeTruthy();
  });

  it('that is valid but old shows its age; a fresh one does not', () => {
    const old = patientOf({ vitalTimes: { ...patientOf().vitalTimes, heartRate: iso(NOW - 240_000) } });
    show(<VitalValue patient={old} info={heartRate!} now={NOW} size="big" />);
    expect(screen.getByText('4 min ago')).toBeTruthy();
    cleanup();
    show(<VitalValue patient={patientOf()} info={heartRate!} now={NOW} size="big" />);
    expect(screen.queryByText(/ago/)).toBeNull();
  });

  it('that alarms says so in a word and a shape, not by colour alone', () => {
    const { container } = show(
      <VitalValue patient={patientOf({ activeAlerts: [alertOf()] })} info={heartRate!} now={NOW} size="big" />,
    );
    expect(screen.getByText('critical')).toBeTruthy();
    expect(container.querySelector('svg')).toBeTruthy();
  });
});

describe('NEWS2', () => {
  const score = { low: 2, high: 5, scale: 1 as const, missing: ['consciousness'], stale: [], band: 'medium' as const };

  it('is a range while an input is missing, and names it', () => {
    show(<News2Score score={score} large />);
    expect(screen.getByText('2–5')).toBeTruthy();
    expect(screen.getByText('consciousness missing')).toBeTruthy();
  });

  it('is one number when everything is known; its band is told only when it is certain', () => {
    show(<News2Score score={{ ...score, high: 2, missing: [] }} />);
    expect(screen.getByText('2')).toBeTruthy();
    cleanup();
    show(<News2Score score={{ ...score, high: 7, band: 'unknown' }} />);
    expect(screen.getByText('2–7')).toBeTruthy();
    expect(screen.queryByText('unknown')).toBeNull();
  });
});

describe('the acknowledge button', () => {
  it('names the alarm and the bed', () => {
    show(<AcknowledgeButton alert={alertOf()} />);
    expect(screen.getByRole('button', { name: /Critical tachycardia.*ICU-101/ })).toBeTruthy();
  });

  it('cannot be pressed while the screen is not live', () => {
    show(<AcknowledgeButton alert={alertOf()} />);
    expect(screen.getByRole('button').hasAttribute('disabled')).toBe(true);
  });

  it('is not offered for what is acknowledged, nor to who may not', () => {
    show(<AcknowledgeButton alert={alertOf({ acknowledged: true })} />);
    expect(screen.queryByRole('button')).toBeNull();
    signIn('viewer');
    show(<AcknowledgeButton alert={alertOf()} />);
    expect(screen.queryByRole('button')).toBeNull();
  });
});
