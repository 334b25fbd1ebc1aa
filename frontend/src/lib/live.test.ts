import { beforeEach, describe, expect, it } from 'vitest';
import { iso, NOW, patientOf } from '@/testing/patients';
import { Live, type LiveHost, type LiveSocket, SILENCE_MS } from './live';

class Socket implements LiveSocket {
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;
  sent: unknown[] = [];
  closed = false;
  send(text: string) {
    this.sent.push(JSON.parse(text));
  }
  close() {
    this.closed = true;
  }
  says(message: object) {
    this.onmessage?.({ data: JSON.stringify(message) });
  }
}

/* Time, sockets, timers and frames, all moved by hand. */
class Host implements LiveHost {
  wallMs = NOW;
  monotonicMs = 1000;
  sockets: Socket[] = [];
  timers: { at: number; run: () => void }[] = [];
  frames: (() => void)[] = [];
  luck = 0.5;
  open() {
    const socket = new Socket();
    this.sockets.push(socket);
    return socket;
  }
  wall = () => this.wallMs;
  monotonic = () => this.monotonicMs;
  random = () => this.luck;
  later(run: () => void, ms: number) {
    const timer = { at: this.monotonicMs + ms, run };
    this.timers.push(timer);
    return () => void (this.timers = this.timers.filter((other) => other !== timer));
  }
  frame(run: () => void) {
    this.frames.push(run);
  }
  draw() {
    for (const run of this.frames.splice(0)) run();
  }
  get socket() {
    return this.sockets.at(-1)!;
  }
}

let host: Host;
let live: Live;
const snapshot = (seq = 1, ...patients: object[]) => ({
  type: 'snapshot',
  seq,
  epoch: 'e1',
  timestamp: iso(host.wallMs),
  patients,
});
const heartbeat = (seq = 1, alarms = 'ok', epoch = 'e1') => ({
  type: 'heartbeat',
  seq,
  epoch,
  timestamp: iso(host.wallMs),
  alarms,
});

/* Half a second at a time, as the ticker does. */
function pass(ms: number) {
  for (const end = host.monotonicMs + ms; host.monotonicMs < end; ) {
    host.monotonicMs += 500;
    host.wallMs += 500;
    for (const timer of host.timers.filter(({ at }) => at <= host.monotonicMs)) {
      host.timers = host.timers.filter((other) => other !== timer);
      timer.run();
    }
    live.check();
  }
}

function connect() {
  live.start('T');
  host.socket.onopen!();
  host.socket.says(snapshot(1, patientOf({ id: 'P001' }), patientOf({ id: 'P002' })));
  host.socket.says(heartbeat());
  host.draw();
}

beforeEach(() => {
  host = new Host();
  live = new Live(host);
});

describe('what is shown', () => {
  it('sends the token first and shows the snapshot with the next frame', () => {
    live.start('T');
    host.socket.onopen!();
    expect(host.socket.sent).toEqual([{ type: 'auth', token: 'T' }]);
    host.socket.says(snapshot(1, patientOf()));
    expect(live.patients.get()).toEqual([]);
    host.draw();
    expect(live.patients.get()).toHaveLength(1);
    expect(live.status.get().connection).toBe('live');
  });

  it('merges many messages into one frame, and leaves the others as they were', () => {
    connect();
    const [, second] = live.patients.get();
    let drawn = 0;
    live.patients.subscribe(() => drawn++);
    for (let seq = 2; seq < 50; seq++)
      host.socket.says({
        type: 'changes',
        seq,
        timestamp: iso(host.wallMs),
        patients: [patientOf({ name: `N${seq}` })],
      });
    expect(drawn).toBe(0);
    host.draw();
    expect(drawn).toBe(1);
    expect(live.patients.get()[0]!.name).toBe('N49');
    expect(live.patients.get()[1]).toBe(second);
  });

  it('drops who was removed', () => {
    connect();
    host.socket.says({ type: 'removed', seq: 2, ids: ['P001'] });
    host.draw();
    expect(live.patients.get().map(({ id }) => id)).toEqual(['P002']);
  });

  it('forgets everybody at stop', () => {
    connect();
    const { socket } = host;
    live.stop();
    expect(socket.closed).toBe(true);
    expect(live.patients.get()).toEqual([]);
    expect(live.status.get().connection).toBe('off');
  });

  it('tells the time of the server', () => {
    live.start('T');
    host.socket.onopen!();
    host.socket.says({ ...snapshot(), timestamp: iso(host.wallMs + 3_600_000) });
    expect(live.serverNow()).toBe(host.wallMs + 3_600_000);
  });
});

describe('silence', () => {
  it('is a lost connection within 5 s, on a socket that never closes', () => {
    connect();
    pass(4500);
    expect(live.status.get().connection).toBe('live');
    pass(500);
    expect(live.status.get()).toMatchObject({ connection: 'lost', lastMessageAt: NOW });
    expect(live.patients.get()).toHaveLength(2); /* shown, greyed */
  });

  it('is found by the wall clock when the computer slept', () => {
    connect();
    host.wallMs += 60_000;
    live.check();
    expect(live.status.get().connection).toBe('lost');
  });

  it('is found by the monotonic clock when the wall clock was set back', () => {
    connect();
    host.wallMs -= 3_600_000;
    host.monotonicMs += SILENCE_MS + 1;
    live.check();
    expect(live.status.get().connection).toBe('lost');
  });

  it('ends with the first message', () => {
    connect();
    pass(6000);
    host.socket.onopen!();
    host.socket.says({ type: 'changes', seq: 3, timestamp: iso(host.wallMs), patients: [] });
    expect(live.status.get()).toMatchObject({ connection: 'live', lastMessageAt: null });
  });

  it('before the first message is a lost connection, too', () => {
    live.start('T');
    pass(5000);
    expect(live.status.get()).toMatchObject({ connection: 'lost', lastMessageAt: null });
  });

  it('of the heartbeat alone says that nobody knows about the alarms', () => {
    connect();
    for (let i = 0; i < 6; i++) {
      pass(1000);
      host.socket.says({ type: 'changes', seq: 2 + i, timestamp: iso(host.wallMs), patients: [] });
    }
    expect(live.status.get()).toMatchObject({ connection: 'live', alarms: 'unknown' });
  });
});

describe('supervision', () => {
  it('is what the heartbeat says', () => {
    connect();
    expect(live.status.get().alarms).toBe('ok');
    host.socket.says(heartbeat(1, 'down'));
    expect(live.status.get().alarms).toBe('down');
  });

  it('is pending after a new connection until the heartbeat is due', () => {
    connect();
    pass(6000);
    host.socket.onopen!();
    host.socket.says(snapshot(9));
    expect(live.status.get().alarms).toBe('pending');
    host.socket.says(heartbeat(9));
    expect(live.status.get().alarms).toBe('ok');
  });
});

describe('coming back', () => {
  it('resumes from what it has', () => {
    connect();
    host.socket.says({ type: 'changes', seq: 7, timestamp: iso(host.wallMs), patients: [] });
    host.socket.says(heartbeat(99)); /* what a heartbeat counts may not have been sent to us */
    host.socket.onclose!({ code: 1006 });
    pass(5000);
    host.socket.onopen!();
    expect(host.sockets.length).toBeGreaterThan(1);
    expect(host.socket.sent).toEqual([{ type: 'auth', token: 'T', epoch: 'e1', seq: 7 }]);
  });

  it('asks for everything when the server has started anew', () => {
    connect();
    host.socket.says(heartbeat(1, 'ok', 'e2'));
    expect(host.sockets[0]!.closed).toBe(true);
    pass(1000);
    host.socket.onopen!();
    expect(host.socket.sent).toEqual([{ type: 'auth', token: 'T' }]);
  });

  it('asks for everything after a message that is none', () => {
    connect();
    host.socket.onmessage!({ data: '{"type":"chan' });
    pass(1000);
    host.socket.onopen!();
    expect(host.socket.sent).toEqual([{ type: 'auth', token: 'T' }]);
  });

  it('waits longer each time, at most 5 s, spread by chance', () => {
    const delays = [0, 1].map((luck) => {
      host = new Host();
      host.luck = luck;
      live = new Live(host);
      live.start('T');
      return Array.from({ length: 8 }, () => {
        const before = host.monotonicMs;
        host.socket.onclose!({ code: 1006 });
        const timer = host.timers.at(-1)!;
        host.timers = [];
        timer.run();
        return timer.at - before;
      });
    });
    expect(Math.min(...delays.flat())).toBeGreaterThanOrEqual(200);
    expect(Math.max(...delays.flat())).toBe(5000);
    expect(delays[1]![7]).toBeGreaterThan(delays[0]![7]!);
    expect(delays[1]![0]).toBeLessThan(delays[1]![7]!);
  });

  it('gives a new socket its time although the silence goes on', () => {
    connect();
    pass(6000);
    const count = host.sockets.length;
    pass(3000);
    expect(host.sockets.length).toBe(count);
    pass(30_000);
    expect(host.sockets.length).toBeGreaterThan(count);
    expect(host.sockets.filter((socket) => !socket.closed).length).toBeLessThanOrEqual(1);
  });

  it('does not, when the token is refused', () => {
    let refused = 0;
    live.onRefused = () => refused++;
    live.start('T');
    host.socket.onclose!({ code: 4401 });
    pass(20_000);
    expect(refused).toBe(1);
    expect(host.sockets).toHaveLength(1);
  });

  it('does not, when the role may not watch', () => {
    live.start('T');
    host.socket.onclose!({ code: 4403 });
    pass(20_000);
    expect(live.status.get().connection).toBe('denied');
    expect(host.sockets).toHaveLength(1);
  });

  it('ignores what an old socket still says', () => {
    connect();
    const old = host.socket;
    const late = old.onmessage!;
    pass(6000);
    late({ data: JSON.stringify(snapshot(50)) });
    host.draw();
    expect(live.patients.get()).toHaveLength(2);
    expect(live.status.get().connection).toBe('lost');
  });

  it('uses a newer token at the next connection', () => {
    connect();
    live.start('T2');
    expect(host.sockets).toHaveLength(1);
    host.socket.onclose!({ code: 1006 });
    pass(5000);
    host.socket.onopen!();
    expect(host.socket.sent[0]).toMatchObject({ token: 'T2' });
  });
});
