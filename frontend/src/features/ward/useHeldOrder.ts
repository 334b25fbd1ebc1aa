/* useHeldOrder.ts - places stay as they are while somebody is about to touch a card. */
import { useEffect, useRef, useState } from 'react';
import type { Patient } from '@/lib/api/client';
import { holdOrder } from './order';

/* So long after the last movement; a resting pointer holds nothing. */
const HOLD_MS = 2500;
/* A pointer that never rests holds a new alarm back no longer than this. */
const HOLD_MAX_MS = 8000;

export function useHeldOrder(patients: readonly Patient[]) {
  const [held, setHeld] = useState<readonly string[] | null>(null);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const since = useRef(0);
  useEffect(() => () => clearTimeout(timer.current), []);
  const hold = () => {
    const now = performance.now();
    if (!held || now - since.current > HOLD_MAX_MS) {
      since.current = now;
      setHeld(patients.map((patient) => patient.id));
    }
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setHeld(null), HOLD_MS);
  };
  return { shown: holdOrder(patients, held), hold };
}
