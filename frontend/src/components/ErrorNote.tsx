/* ErrorNote.tsx - what went wrong, in the server's words. */
import { messageOf } from '@/lib/api/client';
import css from './ErrorNote.module.css';

export function ErrorNote({ error, what }: { error: unknown; what?: string }) {
  if (!error) return null;
  return (
    <p role="alert" className={css.note}>
      {what ? `${what}: ` : ''}
      {messageOf(error)}
    </p>
  );
}
