/* SessionEnding.tsx - a screen that watches a ward must not go dark at 3 a.m. without a word: it
 * says so before, and lets people sign in again without leaving what they look at. */
import { Button, Modal } from '@mantine/core';
import { useState } from 'react';
import { useLocalNow, useSession } from '@/lib/hooks';
import { formatMinute } from '@/lib/time';
import { SignInForm } from './SignInForm';
import css from './SignIn.module.css';

const WARNED_MS = 15 * 60_000;

export function SessionEnding() {
  const current = useSession();
  const [open, setOpen] = useState(false);
  const now = useLocalNow(10_000);
  if (!current || current.expiresAt - now > WARNED_MS) return null;
  return (
    <div className={css.ending} role="status">
      This screen signs out at {formatMinute(current.expiresAt)} and will then show no alarms.
      <Button size="sm" onClick={() => setOpen(true)}>
        Sign in again
      </Button>
      <Modal opened={open} onClose={() => setOpen(false)} title="Sign in again" lockScroll={false} centered>
        <SignInForm username={current.user.username} onDone={() => setOpen(false)} />
      </Modal>
    </div>
  );
}
