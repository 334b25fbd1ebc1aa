/* PatientRoute.tsx - puts together what features show of one patient. */
import { useState } from 'react';
import { Link, useParams } from 'react-router';
import { PatientAlerts } from '@/features/alarms/PatientAlerts';
import { PatientPage } from '@/features/patient/PatientPage';
import { SummaryPanel } from '@/features/summary/SummaryPanel';
import { useLiveStatus, usePatient, usePatients } from '@/lib/hooks';

function Absent({ id }: { id: string }) {
  const none = usePatients().length === 0;
  const { connection } = useLiveStatus();
  if (none && connection !== 'live') return <p>Waiting for the ward …</p>;
  return (
    <>
      <h1>Patient {id} is not monitored</h1>
      <p>
        <Link to="/">To the ward</Link>
      </p>
    </>
  );
}

function Present({ id }: { id: string }) {
  const patient = usePatient(id);
  const [highlight, setHighlight] = useState<{ from: number; to: number } | null>(null);
  if (!patient) return <Absent id={id} />;
  return (
    <PatientPage
      patient={patient}
      highlight={highlight}
      onClearHighlight={() => setHighlight(null)}
      alarms={<PatientAlerts patient={patient} />}
      summary={<SummaryPanel patientId={id} onEvidence={setHighlight} />}
    />
  );
}

export function PatientRoute() {
  const { id = '' } = useParams();
  return <Present key={id} id={id} />;
}
