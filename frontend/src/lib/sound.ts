/* sound.ts - the ward's alarm sound, by Web Audio.
 *
 * Pattern:  high 10 pulses (5 + 5) every 10 s; medium 3 pulses every 25 s; low 2 pulses every 25 s.
 *           Source: docs clinical, "Alarm behaviour" (IEC 60601-1-8 as restated in the manuals of
 *           Edan X8, Comen N10, Philips IntelliVue).
 * Pulse:    a fundamental of 150 to 1,000 Hz with at least four harmonics between 300 and 4,000 Hz
 *           within 15 dB.  Source: PUI Audio, "IEC 60601-1-8"; NXP application note AN10875.
 * Gesture:  browsers let no page sound before somebody clicked: until then the state is `blocked`,
 *           which the page must show.
 * Pauses:   always with an end, and a new high-priority alert ends one at once. */
import type { Priority, SoundDemand } from '@/lib/alarms';
import { Store } from '@/lib/store';

export interface Pulse {
  start: number; /* s from the beginning of the burst */
  duration: number; /* s */
}

export interface Pattern {
  pulses: readonly Pulse[];
  every: number; /* s from the beginning of one burst to that of the next */
  hertz: number;
}

/* s between the starts of neighbouring pulses; within the 50-125 ms gaps of the standard's x. */
const HIGH_PULSE = 0.15;
const HIGH_STEP = HIGH_PULSE + 0.1;
/* Three, a longer gap, two; half a second; the same again: the rhythm that makes it "high". */
const HIGH_STARTS = [0, 1, 2, 3.75, 4.75].map((step) => step * HIGH_STEP);
const HIGH_SECOND = 5.75 * HIGH_STEP + 0.5;
const MEDIUM_PULSE = 0.2;
const MEDIUM_STEP = MEDIUM_PULSE + 0.2;

const pulses = (starts: readonly number[], duration: number): Pulse[] => starts.map((start) => ({ start, duration }));

export const PATTERNS: Record<Priority, Pattern> = {
  high: {
    pulses: pulses([...HIGH_STARTS, ...HIGH_STARTS.map((start) => start + HIGH_SECOND)], HIGH_PULSE),
    every: 10,
    hertz: 740,
  },
  medium: { pulses: pulses([0, MEDIUM_STEP, 2 * MEDIUM_STEP], MEDIUM_PULSE), every: 25, hertz: 523 },
  low: { pulses: pulses([0, MEDIUM_STEP], MEDIUM_PULSE), every: 25, hertz: 392 },
};

/* Amplitudes of the fundamental and its harmonics: all within 15 dB (a factor of 5.6). */
const HARMONICS = [0, 1, 0.8, 0.65, 0.5, 0.4, 0.3];
/* Rise and fall of a pulse, as a part of its length: without them each pulse clicks. */
const EDGE = 0.15;
const VOLUME = 0.5;

export const PAUSE_MS = 2 * 60_000;

export type SoundState =
  | { kind: 'blocked' } /* nobody has clicked yet, or the browser has stopped the sound */
  | { kind: 'on' }
  | { kind: 'paused'; until: number };

export class AlarmSound {
  readonly state = new Store<SoundState>({ kind: 'blocked' });
  #context: AudioContext | null = null;
  #wave: PeriodicWave | null = null;
  #playing: { gain: GainNode; oscillators: OscillatorNode[] } | null = null;
  #demand: SoundDemand = { priority: null, highIds: [] };
  #nextAt = 0; /* AudioContext time */
  #pausedUntil = 0;
  #knownHigh = new Set<string>();

  /* Inside a click or a key press. */
  async enable(): Promise<void> {
    this.#context ??= this.#create();
    await this.#context.resume().catch(() => undefined);
    this.tick();
  }

  /* Three pulses at once, so that people know what they will hear, and that they will. */
  async test(): Promise<void> {
    await this.enable();
    if (this.#running()) this.#burst(PATTERNS.medium);
  }

  pause(): void {
    this.#pausedUntil = Date.now() + PAUSE_MS;
    this.#knownHigh = new Set(this.#demand.highIds);
    this.#hush();
    this.tick();
  }

  resume(): void {
    this.#pausedUntil = 0;
    this.tick();
  }

  want(demand: SoundDemand): void {
    if (demand.priority !== this.#demand.priority) {
      this.#hush();
      this.#nextAt = 0;
    }
    this.#demand = demand;
    if (demand.highIds.some((id) => !this.#knownHigh.has(id))) this.#pausedUntil = 0;
    this.tick();
  }

  /* Called at every beat. */
  tick(): void {
    this.#publish();
    const { priority } = this.#demand;
    if (this.state.get().kind !== 'on' || priority === null || !this.#context) return;
    if (this.#context.currentTime < this.#nextAt) return;
    this.#burst(PATTERNS[priority]);
    this.#nextAt = this.#context.currentTime + PATTERNS[priority].every;
  }

  #running(): boolean {
    return this.#context?.state === 'running';
  }

  #publish(): void {
    const old = this.state.get();
    if (!this.#running()) {
      if (old.kind !== 'blocked') this.state.set({ kind: 'blocked' });
    } else if (this.#pausedUntil > Date.now()) {
      if (old.kind !== 'paused' || old.until !== this.#pausedUntil)
        this.state.set({ kind: 'paused', until: this.#pausedUntil });
    } else if (old.kind !== 'on') this.state.set({ kind: 'on' });
  }

  #create(): AudioContext {
    const context = new AudioContext();
    context.onstatechange = () => this.tick();
    this.#wave = context.createPeriodicWave(new Float32Array(HARMONICS.length), new Float32Array(HARMONICS));
    return context;
  }

  #burst({ pulses: all, hertz }: Pattern): void {
    const context = this.#context!;
    this.#hush();
    const gain = context.createGain();
    gain.gain.value = 0;
    gain.connect(context.destination);
    const begin = context.currentTime + 0.02;
    const oscillators = all.map(({ start, duration }) => {
      const oscillator = context.createOscillator();
      oscillator.setPeriodicWave(this.#wave!);
      oscillator.frequency.value = hertz;
      oscillator.connect(gain);
      const edge = duration * EDGE;
      const from = begin + start;
      gain.gain.setValueAtTime(0, from);
      gain.gain.linearRampToValueAtTime(VOLUME, from + edge);
      gain.gain.setValueAtTime(VOLUME, from + duration - edge);
      gain.gain.linearRampToValueAtTime(0, from + duration);
      oscillator.start(from);
      oscillator.stop(from + duration);
      return oscillator;
    });
    this.#playing = { gain, oscillators };
  }

  #hush(): void {
    this.#playing?.gain.disconnect();
    for (const oscillator of this.#playing?.oscillators ?? []) oscillator.stop();
    this.#playing = null;
  }
}

export const sound = new AlarmSound();
