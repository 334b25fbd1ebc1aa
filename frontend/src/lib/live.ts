/* live.ts - the ward, live: one WebSocket (/ws/ward) that feeds a store.
 *
 * Protocol: backend/api/openapi.yaml, WardClientMessage and WardServerMessage.  The first message
 *           is the token, with epoch and seq of what is already here, so that after a break only
 *           what changed comes again.
 * Rates:    messages are merged as they come (data rate) and shown once per frame (frame rate).
 * Silence:  the server's heartbeat comes every 2 s.  Without any message for SILENCE_MS the values
 *           are old: the status says so and the socket is given up for a new one, since a half-open
 *           TCP connection can look alive for hours.
 * Time:     two clocks are asked and the longer interval wins: the monotonic one stops while some
 *           computers sleep, the other one can be set. */
import type { Patient, WardServerMessage } from '@/lib/api/client';
import { Store, type Watchable } from '@/lib/store';
import { parseTime } from '@/lib/time';

export type Connection = 'off' | 'connecting' | 'live' | 'lost' | 'denied';

export interface LiveStatus {
  connection: Connection;
  /* pending: just connected, the first heartbeat is due; unknown: it did not come, which counts as down. */
  alarms: 'ok' | 'down' | 'unknown' | 'pending';
  /* Once lost: when anything came last, by the server's clock; null: nothing ever came. */
  lastMessageAt: number | null;
}

/* Two heartbeats missed, and a bit; with a check every 0.5 s the banner is up within 5 s. */
export const SILENCE_MS = 4500;
/* After a restart of the server every screen comes back: spread over these. */
const RETRY_MIN_MS = 400;
const RETRY_MAX_MS = 5000;
const CLOSE_UNAUTHORIZED = 4401;
const CLOSE_FORBIDDEN = 4403;

export interface LiveSocket {
  onopen: (() => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number }) => void) | null;
  send(text: string): void;
  close(): void;
}

/* What the store needs from its surroundings; tests bring their own. */
export interface LiveHost {
  open(): LiveSocket;
  wall(): number;
  monotonic(): number;
  random(): number;
  later(run: () => void, ms: number): () => void;
  /* Runs once before the next picture; at once when no picture is drawn (hidden tab). */
  frame(run: () => void): void;
}

interface Stamp {
  wall: number;
  monotonic: number;
}

export class Live {
  readonly status: Watchable<LiveStatus>;
  readonly patients: Watchable<readonly Patient[]>;
  onRefused: () => void = () => {};

  readonly #host: LiveHost;
  readonly #status = new Store<LiveStatus>({ connection: 'off', alarms: 'pending', lastMessageAt: null });
  readonly #patients = new Store<readonly Patient[]>([]);
  #token: string | null = null;
  #socket: LiveSocket | null = null;
  #resume: { epoch: string; seq: number } | null = null;
  #heard: Stamp | null = null; /* any message; before the first one, start() */
  #socketHeard: Stamp | null = null; /* any message on this socket, or its opening */
  #lastMessageAt: number | null = null;
  #heartbeat: Stamp | null = null;
  #clockOffset = 0; /* the server's clock minus ours, ms */
  #attempts = 0;
  #cancelRetry: () => void = () => {};
  #byId = new Map<string, Patient>();
  #changed = false;
  #framed = false;

  constructor(host: LiveHost) {
    this.#host = host;
    this.status = this.#status;
    this.patients = this.#patients;
  }

  start(token: string): void {
    if (this.#token === token) return;
    const first = this.#token === null;
    this.#token = token;
    if (!first && this.#socket) return; /* signed in again while watching: used at the next connect */
    this.#heard = this.#stamp();
    this.#patch({ connection: 'connecting' });
    this.#connect();
  }

  stop(): void {
    this.#token = null;
    this.#resume = null;
    this.#drop();
    this.#cancelRetry();
    this.#byId = new Map();
    this.#patients.set([]);
    this.#heartbeat = this.#heard = this.#lastMessageAt = null;
    this.#attempts = 0;
    this.#status.set({ connection: 'off', alarms: 'pending', lastMessageAt: null });
  }

  serverNow(): number {
    return this.#host.wall() + this.#clockOffset;
  }

  /* Called a few times a second, and whenever the page may have slept. */
  check(): void {
    if (this.#token === null || this.#status.get().connection === 'denied') return;
    if (this.#heartbeat && this.#since(this.#heartbeat) > SILENCE_MS) this.#patch({ alarms: 'unknown' });
    if (this.#heard && this.#since(this.#heard) > SILENCE_MS) {
      this.#patch({ connection: 'lost', lastMessageAt: this.#lastMessageAt });
    }
    /* A server that takes the connection and says nothing is no server. */
    if (this.#socket && this.#socketHeard && this.#since(this.#socketHeard) > SILENCE_MS) this.#lose();
  }

  #stamp(): Stamp {
    return { wall: this.#host.wall(), monotonic: this.#host.monotonic() };
  }

  #since(stamp: Stamp): number {
    return Math.max(this.#host.wall() - stamp.wall, this.#host.monotonic() - stamp.monotonic);
  }

  #patch(change: Partial<LiveStatus>): void {
    const old = this.#status.get();
    const now = { ...old, ...change };
    if (now.connection !== old.connection || now.alarms !== old.alarms || now.lastMessageAt !== old.lastMessageAt)
      this.#status.set(now);
  }

  #connect(): void {
    this.#cancelRetry();
    this.#drop();
    this.#attempts++;
    const socket = this.#host.open();
    this.#socket = socket;
    this.#socketHeard = this.#stamp();
    socket.onopen = () => {
      if (this.#socket !== socket || this.#token === null) return;
      socket.send(JSON.stringify({ type: 'auth', token: this.#token, ...this.#resume }));
    };
    socket.onmessage = (event) => {
      if (this.#socket === socket) this.#receive(event.data);
    };
    socket.onclose = (event) => {
      if (this.#socket === socket) this.#closed(event.code);
    };
  }

  #drop(): void {
    const socket = this.#socket;
    this.#socket = null;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  #closed(code: number): void {
    this.#socket = null;
    if (code === CLOSE_UNAUTHORIZED) {
      this.#patch({ connection: 'lost', lastMessageAt: this.#lastMessageAt });
      this.onRefused();
    } else if (code === CLOSE_FORBIDDEN) {
      this.#patch({ connection: 'denied' });
    } else this.#lose();
  }

  #lose(): void {
    this.#drop();
    if (this.#token === null) return;
    const widest = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** Math.min(this.#attempts, 10));
    const delay = RETRY_MIN_MS / 2 + this.#host.random() * (widest - RETRY_MIN_MS / 2);
    this.#cancelRetry();
    this.#cancelRetry = this.#host.later(() => this.#connect(), delay);
  }

  #receive(data: unknown): void {
    let message: WardServerMessage;
    try {
      message = JSON.parse(String(data)) as WardServerMessage;
      this.#apply(message);
    } catch {
      this.#resume = null; /* what is here can no longer be trusted to be whole */
      this.#lose();
      return;
    }
    this.#attempts = 0;
    this.#heard = this.#socketHeard = this.#stamp();
    this.#lastMessageAt = this.serverNow();
    if (message.type === 'heartbeat') {
      this.#heartbeat = this.#heard;
      this.#patch({ alarms: message.alarms });
    } else if (this.#status.get().connection !== 'live') {
      this.#heartbeat = this.#heard;
      this.#patch({ alarms: 'pending' });
    }
    this.#patch({ connection: 'live', lastMessageAt: null });
  }

  #apply(message: WardServerMessage): void {
    if ('timestamp' in message) {
      const time = parseTime(message.timestamp);
      if (time !== null) this.#clockOffset = time - this.#host.wall();
    }
    switch (message.type) {
      case 'snapshot':
        this.#byId = new Map(message.patients.map((patient) => [patient.id, patient]));
        this.#resume = { epoch: message.epoch, seq: message.seq };
        break;
      case 'changes':
        for (const patient of message.patients) this.#byId.set(patient.id, patient);
        if (this.#resume) this.#resume.seq = message.seq;
        break;
      case 'removed':
        for (const id of message.ids) this.#byId.delete(id);
        if (this.#resume) this.#resume.seq = message.seq;
        break;
      case 'heartbeat':
        /* Another run of the server than the one that sent what is here. */
        if (this.#resume && message.epoch !== this.#resume.epoch) throw new Error('epoch changed');
        return;
      default:
        return; /* a newer server may say more */
    }
    this.#changed = true;
    this.#show();
  }

  #show(): void {
    if (this.#framed) return;
    this.#framed = true;
    this.#host.frame(() => {
      this.#framed = false;
      if (!this.#changed || this.#token === null) return;
      this.#changed = false;
      this.#patients.set([...this.#byId.values()]);
    });
  }
}

/* ---- in a browser ---- */

/* A frame that has not come after this long will not come soon (window covered, computer busy). */
const FRAME_PATIENCE_MS = 200;

const browserHost: LiveHost = {
  open: () => new WebSocket(`${location.origin.replace(/^http/, 'ws')}/ws/ward`) as LiveSocket,
  wall: () => Date.now(),
  monotonic: () => performance.now(),
  random: () => Math.random(),
  later(run, ms) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
  frame(run) {
    if (document.hidden) return run();
    let done = false;
    const once = () => {
      if (done) return;
      done = true;
      run();
    };
    requestAnimationFrame(once);
    setTimeout(once, FRAME_PATIENCE_MS);
  },
};

export const live = new Live(browserHost);
