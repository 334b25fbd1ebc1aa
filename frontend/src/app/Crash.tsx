/* Crash.tsx - a bug must not leave a white or frozen screen that somebody takes for a quiet ward. */
import { Component, type ErrorInfo, type ReactNode } from 'react';
import css from './Layout.module.css';

const RELOAD_MS = 5000;

export class Crash extends Component<{ children: ReactNode }, { error: Error | null }> {
  override state = { error: null as Error | null };

  static getDerivedStateFromError(error: Error) {
    return { error };
  }

  override componentDidCatch(error: Error, info: ErrorInfo) {
    console.error(error, info.componentStack);
    setTimeout(() => location.reload(), RELOAD_MS);
  }

  override render() {
    if (!this.state.error) return this.props.children;
    return (
      <main className={css.crash} role="alert">
        <h1>This screen has failed and shows no alarms.</h1>
        <p>It starts again in a few seconds. ({this.state.error.message})</p>
      </main>
    );
  }
}
