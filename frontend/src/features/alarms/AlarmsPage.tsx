import { NativeSelect, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useMemo, useState } from 'react';
import { ErrorNote } from '@/components/ErrorNote';
import { byUrgency, openAlerts } from '@/lib/alarms';
import { type Alert, api, take } from '@/lib/api/client';
import { useNow, usePatients } from '@/lib/hooks';
import { AlertTable } from './AlertTable';
import { filterAlerts, NO_FILTER, TYPES } from './filter';
import css from './AlarmsPage.module.css';

const RECENT_COUNT = 200;
const RECENT_EVERY_MS = 15_000;

/* The open ones are live; those that have ended are asked for now and then. */
function useRecent() {
  return useQuery({
    queryKey: ['alerts', 'all'],
    queryFn: () => take(api.GET('/api/alerts', { params: { query: { state: 'all', limit: RECENT_COUNT } } })),
    refetchInterval: RECENT_EVERY_MS,
  });
}

function useOpen(): Alert[] {
  const patients = usePatients();
  return useMemo(() => patients.flatMap(openAlerts).sort(byUrgency), [patients]);
}

export function AlarmsPage() {
  const now = useNow();
  const open = useOpen();
  const recent = useRecent();
  const [filter, setFilter] = useState(NO_FILTER);
  const openShown = filterAlerts(open, filter);
  /* What is open here and closed there was closed a moment ago: the live store will say so soon. */
  const openIds = new Set(open.map((alert) => alert.id));
  const closedShown = filterAlerts(
    (recent.data ?? []).filter((alert) => alert.state === 'closed' && !openIds.has(alert.id)),
    filter,
  );
  return (
    <div className={css.page}>
      <h1>Alarms</h1>
      <div className={css.tools} role="search">
        <TextInput
          label="Bed or name"
          value={filter.text}
          onChange={(event) => setFilter({ ...filter, text: event.currentTarget.value })}
        />
        <NativeSelect
          label="Severity"
          value={filter.severity}
          onChange={(event) => setFilter({ ...filter, severity: event.currentTarget.value })}
          data={[
            { value: '', label: 'All' },
            { value: 'critical', label: 'Critical' },
            { value: 'warning', label: 'Warning' },
            { value: 'technical', label: 'Technical' },
          ]}
        />
        <NativeSelect
          label="Alarm"
          value={filter.type}
          onChange={(event) => setFilter({ ...filter, type: event.currentTarget.value })}
          data={[{ value: '', label: 'All' }, ...TYPES]}
        />
      </div>
      <section aria-labelledby="open-alarms">
        <h2 id="open-alarms">
          Open ({openShown.length}
          {openShown.length < open.length && ` of ${open.length}`})
        </h2>
        {openShown.length === 0 ? (
          <p className={css.none}>None.</p>
        ) : (
          <AlertTable alerts={openShown} now={now} caption="Open alarms, the most urgent first" />
        )}
      </section>
      <section aria-labelledby="recent-alarms">
        <h2 id="recent-alarms">Ended lately</h2>
        <ErrorNote error={recent.error} what="Ended alarms" />
        {recent.data && closedShown.length === 0 && <p className={css.none}>None.</p>}
        {closedShown.length > 0 && (
          <AlertTable alerts={closedShown} now={now} caption="Ended alarms, the newest first" />
        )}
      </section>
    </div>
  );
}
