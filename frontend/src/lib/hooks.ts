/* hooks.ts - the stores, for components. */
import { useSyncExternalStore } from 'react';
import type { Patient } from '@/lib/api/client';
import { live, type LiveStatus } from '@/lib/live';
import { session } from '@/lib/session';
import { allowed, type Right } from '@/lib/roles';
import { sound } from '@/lib/sound';
import type { Watchable } from '@/lib/store';
import { onBeat } from '@/lib/ticker';

export function useWatch<T>(store: Watchable<T>): T {
  return useSyncExternalStore(store.subscribe, store.get);
}

export const useSession = () => useWatch(session);
export const useLiveStatus = (): LiveStatus => useWatch(live.status);
export const useSound = () => useWatch(sound.state);

/* Everybody who is being watched; discharged patients are not. */
export const usePatients = (): readonly Patient[] => useWatch(live.patients);

export function usePatient(id: string): Patient | undefined {
  return useSyncExternalStore(live.patients.subscribe, () => live.patients.get().find((patient) => patient.id === id));
}

/* The server's time, as a multiple of `step` ms, so that a component draws only when it changes. */
export function useNow(step = 1000): number {
  return useSyncExternalStore(onBeat, () => Math.floor(live.serverNow() / step) * step);
}

/* The same by this computer's clock, which sessions and pauses of the sound go by. */
export function useLocalNow(step = 1000): number {
  return useSyncExternalStore(onBeat, () => Math.floor(Date.now() / step) * step);
}

export const useRight = (right: Right): boolean => allowed(useSession()?.user.role, right);

/* Values on the screen are of now. */
export const useFresh = (): boolean => useLiveStatus().connection === 'live';
