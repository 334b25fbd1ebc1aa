import { Button, useMantineColorScheme } from '@mantine/core';
import { type ReactNode, useEffect } from 'react';
import { NavLink } from 'react-router';
import { SoundControl, SoundTest } from '@/features/alarms/SoundControl';
import { SessionEnding } from '@/features/auth/SessionEnding';
import { api } from '@/lib/api/client';
import { useLiveStatus, useNow, useSession } from '@/lib/hooks';
import { session } from '@/lib/session';
import { formatMinute } from '@/lib/time';
import { Banners } from './Banners';
import { Counts, useCounts } from './Counts';
import css from './Layout.module.css';

/* The server forgets the token; when it cannot be reached the token is forgotten here at least. */
async function signOut(): Promise<void> {
  await api.POST('/api/auth/logout').catch(() => undefined);
  session.end('signed-out');
}

function Clock() {
  return <span className={css.clock}>{formatMinute(useNow())}</span>;
}

function User() {
  const current = useSession();
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const other = colorScheme === 'light' ? 'dark' : 'light';
  return (
    <details className={css.user}>
      <summary>
        {current?.user.full_name || current?.user.username} <span className={css.role}>{current?.user.role}</span>
      </summary>
      <div className={css.menu}>
        <SoundTest />
        <Button size="sm" variant="default" onClick={() => setColorScheme(other)}>
          {other === 'light' ? 'Light colours' : 'Dark colours'}
        </Button>
        <Button size="sm" variant="default" onClick={() => void signOut()}>
          Sign out
        </Button>
      </div>
    </details>
  );
}

function useTitle(): void {
  const { counts } = useCounts();
  const { connection } = useLiveStatus();
  useEffect(() => {
    const state =
      connection === 'lost' ? 'NO CONNECTION – ' : counts.critical > 0 ? `(${counts.critical} critical) ` : '';
    document.title = `${state}Wardscribe`;
  }, [connection, counts.critical]);
}

export function Layout({ children }: { children: ReactNode }) {
  const { connection } = useLiveStatus();
  useTitle();
  return (
    <>
      <a href="#main" className={css.skip}>
        To the beds
      </a>
      <Banners />
      <div className={css.top}>
        <SessionEnding />
        <header className={css.bar} data-old={connection !== 'live' || undefined}>
          <nav className={css.nav} aria-label="Pages">
            <NavLink to="/" end>
              Ward
            </NavLink>
            <NavLink to="/alarms">Alarms</NavLink>
          </nav>
          <Counts />
          <div className={css.right}>
            <SoundControl />
            <Clock />
            <User />
          </div>
        </header>
      </div>
      <main id="main" className={css.main} tabIndex={-1} data-old={connection !== 'live' || undefined}>
        {children}
      </main>
    </>
  );
}
