/* fit.tsx - a page for a browser: cards of the narrowest kinds in every alarm state, with the widest
 * values.  It says in <output> what is cut and which numbers run together; fit.test.ts reads it. */
import '@/styles/mantine';
import { MantineProvider } from '@mantine/core';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { createRoot } from 'react-dom/client';
import { flushSync } from 'react-dom';
import { MemoryRouter } from 'react-router';
import { BedCard } from '@/features/ward/BedCard';
import frame from '@/features/ward/WardGrid.module.css';
import type { Alert, Patient } from '@/lib/api/client';
import { VITALS } from '@/lib/vitals';
import { alertOf, iso, noVitals, NOW, patientOf, technicalOf, warningOf } from './patients';

/* Widths in pixels: the columnMin of WardGrid.tsx, what common screens make of it, a phone. */
const WIDTHS = { large: [265, 272, 305, 325, 374], medium: [240, 257, 374], compact: [200, 212, 239, 374] };
const CLOSEST = 6; /* pixels between two numbers, at least */

const widest = {
  heartRate: 188,
  spO2: 100,
  bloodPressure: { systolic: 210, diastolic: 110 },
  temperature: 40.2,
  respiratory: 40,
};
const onAll = (make: (change: Partial<Alert>) => Alert, change: Partial<Alert> = {}) =>
  VITALS.map(({ alertType }) => make({ ...change, id: alertType, vital_type: alertType }));
const timesOf = (time: string | null) => ({
  heartRate: time,
  spO2: time,
  bloodPressure: time,
  temperature: time,
  respiratory: time,
});
const lost = technicalOf({ lost: VITALS.flatMap(({ series }) => series), message: 'Sensors are off' });

const STATES: Record<string, Partial<Patient>> = {
  normal: { vitals: widest },
  critical: { vitals: widest, activeAlerts: onAll(alertOf) },
  warning: { vitals: widest, activeAlerts: onAll(warningOf) },
  acknowledged: { vitals: widest, activeAlerts: onAll(alertOf, { acknowledged: true, acknowledged_by: 'dr.frey' }) },
  over: { vitals: widest, activeAlerts: onAll(alertOf, { state: 'latched' }) },
  old: { vitals: widest, activeAlerts: onAll(warningOf), vitalTimes: timesOf(iso(NOW - 3_500_000)) },
  technical: { vitals: noVitals, activeAlerts: [lost], vitalTimes: timesOf(iso(NOW - 720_000)) },
  never: { vitals: noVitals, vitalTimes: timesOf(null) },
  silent: { vitals: noVitals, status: 'silent' },
};

const Cards = () =>
  Object.entries(WIDTHS).flatMap(([density, widths]) =>
    widths.flatMap((width) =>
      Object.entries(STATES).map(([state, change]) => {
        const name = `${density} ${width} ${state}`;
        return (
          <div key={name} className={frame.frame} data-density={density} data-case={name} style={{ width }}>
            <BedCard patient={patientOf(change)} now={NOW} />
          </div>
        );
      }),
    ),
  );

const isCut = (part: Element) => part.scrollWidth > part.clientWidth + 1 && part.clientWidth > 0;

function inkOf(value: Element): DOMRect {
  const range = document.createRange();
  range.selectNodeContents(value);
  return range.getBoundingClientRect();
}

function faultsOf(card: Element): string[] {
  const parts = [...card.querySelectorAll('article *:not(svg *, .for-ears)')];
  const cut = parts.filter(isCut).map((part) => `cut: ${part.textContent}`);
  const close = [...card.querySelectorAll('dl')].flatMap((list) => {
    const values = [...list.querySelectorAll('dt + dd')];
    return values.slice(1).flatMap((value, i) => {
      const gap = inkOf(value).left - inkOf(values[i]!).right;
      return gap < CLOSEST ? [`${gap.toFixed(1)} px: ${values[i]!.textContent} | ${value.textContent}`] : [];
    });
  });
  return [...cut, ...close];
}

const root = document.body.appendChild(document.createElement('div'));
flushSync(() =>
  createRoot(root).render(
    <MantineProvider>
      <QueryClientProvider client={new QueryClient()}>
        <MemoryRouter>
          <Cards />
        </MemoryRouter>
      </QueryClientProvider>
    </MantineProvider>,
  ),
);
await document.fonts.ready;
const cards = [...document.querySelectorAll('[data-case]')];
const faults = cards.flatMap((card) => faultsOf(card).map((fault) => `${card.getAttribute('data-case')}: ${fault}`));
document.body.replaceChildren(document.createElement('output'));
document.querySelector('output')!.textContent = JSON.stringify({ cards: cards.length, faults });
