import { useEffect } from 'react';
import { useWatch } from '@/lib/hooks';
import { type EndReason, session } from '@/lib/session';
import { SignInForm } from './SignInForm';
import css from './SignIn.module.css';

/* Somebody may believe that this screen still watches the ward. */
const ENDED: Partial<Record<EndReason, string>> = {
  expired: 'The session has ended. This screen shows no alarms until somebody signs in.',
  refused: 'The server has ended the session. This screen shows no alarms until somebody signs in.',
};

export function LoginPage() {
  const reason = useWatch(session.endReason);
  const ended = reason && ENDED[reason];
  useEffect(() => {
    document.title = ended ? 'No alarms shown – Wardscribe' : 'Sign in – Wardscribe';
  }, [ended]);
  return (
    <main className={css.page}>
      {ended && (
        <p role="alert" className={css.ended}>
          {ended}
        </p>
      )}
      <div className={css.panel}>
        <h1 className={css.name}>Wardscribe</h1>
        <p className={css.what}>Sign in to see the ward.</p>
        <SignInForm />
      </div>
    </main>
  );
}
