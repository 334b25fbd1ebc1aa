/* watch.ts - while somebody is signed in: the live socket runs, is watched for silence, and sounds. */
import { type SoundDemand, soundDemand } from '@/lib/alarms';
import type { Patient } from '@/lib/api/client';
import { live, type LiveStatus } from '@/lib/live';
import { session } from '@/lib/session';
import { sound } from '@/lib/sound';
import { onBeat } from '@/lib/ticker';

/* Whether nobody supervises the ward as far as this screen can tell. */
export const unsupervised = ({ connection, alarms }: LiveStatus): boolean =>
  connection === 'lost' || (connection === 'live' && (alarms === 'down' || alarms === 'unknown'));

/* A ward without supervision sounds like a medium-priority alarm, unless something worse does. */
export function demandOf(status: LiveStatus, patients: readonly Patient[], now: number): SoundDemand {
  if (status.connection === 'off' || status.connection === 'denied') return { priority: null, highIds: [] };
  const demand = soundDemand(patients, now);
  return unsupervised(status) && demand.priority !== 'high' ? { ...demand, priority: 'medium' } : demand;
}

/* Starts; the answer stops it. */
export function watch(): () => void {
  const hear = () => sound.want(demandOf(live.status.get(), live.patients.get(), live.serverNow()));
  const follow = () => {
    const current = session.get();
    if (current) live.start(current.token);
  };
  live.onRefused = () => session.end('refused');
  follow();
  const stops = [
    session.subscribe(follow),
    onBeat(() => {
      live.check();
      hear();
    }),
    live.status.subscribe(hear),
    live.patients.subscribe(hear),
  ];
  return () => {
    for (const stop of stops) stop();
    live.stop();
    hear();
  };
}
