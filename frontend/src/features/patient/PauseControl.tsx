/* PauseControl.tsx - stop the sound of one patient's alarms, always with an end. */
import { Button, NativeSelect, TextInput } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { ErrorNote } from '@/components/ErrorNote';
import { pausedUntil } from '@/lib/alarms';
import { api, type Patient, take } from '@/lib/api/client';
import { useFresh, useNow, useRight } from '@/lib/hooks';
import { formatCountdown, formatMinute } from '@/lib/time';
import css from './PatientPage.module.css';

const MINUTES = ['2', '5', '10', '15', '30'];

export function PauseControl({ patient }: { patient: Patient }) {
  const may = useRight('respond');
  const fresh = useFresh();
  const now = useNow();
  const [minutes, setMinutes] = useState('2');
  const [reason, setReason] = useState('');
  const path = { id: patient.id };
  const pause = useMutation({
    mutationFn: () =>
      take(
        api.POST('/api/patients/{id}/pause', {
          params: { path },
          body: { minutes: Number(minutes), ...(reason && { reason }) },
        }),
      ),
    onSuccess: () => setReason(''),
  });
  const resume = useMutation({ mutationFn: () => take(api.POST('/api/patients/{id}/resume', { params: { path } })) });
  const end = pausedUntil(patient, now);
  if (!may && end === null) return null;
  return (
    <div className={css.pause}>
      {end !== null ? (
        <>
          <strong className={css.paused} role="status">
            Alarm sound paused until {formatMinute(end)} ({formatCountdown(end - now)} left)
          </strong>
          {may && (
            <Button disabled={!fresh} loading={resume.isPending} onClick={() => resume.mutate()}>
              Sound again now
            </Button>
          )}
        </>
      ) : (
        <>
          <NativeSelect
            label="Pause the alarm sound for"
            value={minutes}
            onChange={(event) => setMinutes(event.currentTarget.value)}
            data={MINUTES.map((value) => ({ value, label: `${value} minutes` }))}
          />
          <TextInput
            label="Reason"
            placeholder="Suction, washing, …"
            maxLength={200}
            value={reason}
            onChange={(event) => setReason(event.currentTarget.value)}
          />
          <Button variant="default" disabled={!fresh} loading={pause.isPending} onClick={() => pause.mutate()}>
            Pause
          </Button>
        </>
      )}
      <ErrorNote error={pause.error ?? resume.error} what="Pause" />
    </div>
  );
}
