/* Banners.tsx - what a screen must say when it cannot be trusted. */
import { useLiveStatus, useNow } from '@/lib/hooks';
import { formatAge, formatClock } from '@/lib/time';
import css from './Layout.module.css';

export function Banners() {
  const { connection, alarms, lastMessageAt } = useLiveStatus();
  const now = useNow();
  if (connection === 'lost')
    return (
      <div role="alert" className={css.lost}>
        <strong>No connection – values are old</strong>
        {/* The age changes every second: not to be read aloud again each time. */}
        <span aria-hidden="true">
          {lastMessageAt === null
            ? 'Nothing has come yet.'
            : `Last data ${formatClock(lastMessageAt)}, ${formatAge(now - lastMessageAt)} ago.`}{' '}
          No alarms are shown. Look at the patients.
        </span>
      </div>
    );
  if (connection === 'denied')
    return (
      <div role="alert" className={css.lost}>
        <strong>Your role may not watch the ward – no values and no alarms are shown</strong>
      </div>
    );
  if (connection === 'live' && (alarms === 'down' || alarms === 'unknown'))
    return (
      <div role="alert" className={css.lost}>
        <strong>Alarms are not supervised</strong>
        <span>Values are live, but nothing watches them for alarms. Look at the patients.</span>
      </div>
    );
  return null;
}
