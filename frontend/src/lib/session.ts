/* session.ts - who is signed in on this tab.
 *
 * Lifetime: the token lives in memory and in sessionStorage, so that a reload of the page does not
 *           blank a wall screen; closing the tab forgets it.  It is never put into an address.
 * Ends:     by signing out, when it expires, or when the server refuses it (401, close 4401). */
import { Store } from '@/lib/store';
import type { User } from '@/lib/api/client';

export interface Session {
  token: string;
  user: User;
  expiresAt: number; /* ms since 1970, this computer's clock */
}

export type EndReason = 'signed-out' | 'expired' | 'refused';

const KEY = 'wardscribe.session';
/* setTimeout's delay is a signed 32-bit number: more than that fires at once. */
const TIMEOUT_MAX = 2 ** 31 - 1;

function read(): Session | null {
  try {
    const value = JSON.parse(sessionStorage.getItem(KEY) ?? 'null') as Session | null;
    return value && value.expiresAt > Date.now() ? value : null;
  } catch {
    return null;
  }
}

class SessionStore {
  readonly #store = new Store<Session | null>(read());
  readonly #ended = new Store<EndReason | null>(null);
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    this.#arm();
  }

  get = this.#store.get;
  subscribe = this.#store.subscribe;
  endReason = this.#ended;

  begin(token: string, user: User, expiresInS: number): void {
    const value = { token, user, expiresAt: Date.now() + expiresInS * 1000 };
    sessionStorage.setItem(KEY, JSON.stringify(value));
    this.#ended.set(null);
    this.#store.set(value);
    this.#arm();
  }

  end(reason: EndReason): void {
    sessionStorage.removeItem(KEY);
    clearTimeout(this.#timer);
    if (this.#store.get()) this.#ended.set(reason);
    this.#store.set(null);
  }

  #arm(): void {
    clearTimeout(this.#timer);
    const value = this.#store.get();
    if (!value) return;
    const left = value.expiresAt - Date.now();
    if (left <= 0) this.end('expired');
    else this.#timer = setTimeout(() => this.#arm(), Math.min(left, TIMEOUT_MAX));
  }
}

export const session = new SessionStore();
