/* AcknowledgeButton.tsx - "I have seen this alarm."
 *
 * It names the alert and its version, so that nobody answers an alarm they have not seen; and it
 * ignores a click in the first moment after it came up, since that click was meant for whatever
 * was there before. */
import { Button } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { useEffect, useRef } from 'react';
import { type Alert, api, ApiError, take } from '@/lib/api/client';
import { useFresh, useRight } from '@/lib/hooks';
import css from './AcknowledgeButton.module.css';

/* A person needs about 250 ms to react to something new; twice that is surely a stray click. */
const STRAY_CLICK_MS = 500;

export function AcknowledgeButton({ alert, size = 'sm' }: { alert: Alert; size?: string }) {
  const may = useRight('respond');
  const fresh = useFresh();
  const shownAt = useRef(0);
  const { id, version } = alert;
  useEffect(() => {
    shownAt.current = performance.now();
  }, [id]);
  const call = useMutation({
    mutationFn: () =>
      take(api.POST('/api/alerts/{alert_id}/acknowledge', { params: { path: { alert_id: id } }, body: { version } })),
  });
  if (alert.acknowledged || !may) return null;
  const conflict = call.error instanceof ApiError && call.error.status === 409;
  return (
    <span className={css.box}>
      <Button
        size={size}
        className={css.button}
        disabled={!fresh}
        loading={call.isPending}
        onClick={() => performance.now() - shownAt.current > STRAY_CLICK_MS && call.mutate()}
        aria-label={`Acknowledge: ${alert.message}, ${alert.bed_number || alert.patient_id}`}
      >
        Acknowledge
      </Button>
      {call.error && (
        <span role="alert" className={css.error}>
          {conflict ? 'The alarm has changed: look again' : call.error.message}
        </span>
      )}
    </span>
  );
}
