import { useQuery } from '@tanstack/react-query';
import { ErrorNote } from '@/components/ErrorNote';
import { byUrgency, openAlerts } from '@/lib/alarms';
import { api, type Patient, take } from '@/lib/api/client';
import { useNow } from '@/lib/hooks';
import { AlertTable } from './AlertTable';
import css from './AlarmsPage.module.css';

const HISTORY_EVERY_MS = 15_000;

export function PatientAlerts({ patient }: { patient: Patient }) {
  const now = useNow();
  const open = openAlerts(patient).sort(byUrgency);
  const history = useQuery({
    queryKey: ['alerts', patient.id],
    queryFn: () => take(api.GET('/api/alerts/{patient_id}/history', { params: { path: { patient_id: patient.id } } })),
    refetchInterval: HISTORY_EVERY_MS,
  });
  const ended = history.data?.filter((alert) => alert.state === 'closed') ?? [];
  return (
    <section aria-labelledby="patient-alarms" className={css.page}>
      <h2 id="patient-alarms">Alarms</h2>
      {open.length === 0 ? (
        <p className={css.none}>No open alarm.</p>
      ) : (
        <AlertTable alerts={open} now={now} caption="Open alarms of this patient" withBed={false} />
      )}
      <ErrorNote error={history.error} what="History" />
      {ended.length > 0 && (
        <details>
          <summary>Ended ({ended.length})</summary>
          <AlertTable alerts={ended} now={now} caption="Ended alarms of this patient" withBed={false} />
        </details>
      )}
    </section>
  );
}
