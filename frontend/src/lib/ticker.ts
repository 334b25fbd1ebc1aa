/* ticker.ts - a beat that goes on while the tab is hidden.
 *
 * Browsers slow the timers of a hidden tab down to one a minute; those of a worker go on.  The
 * beat drives the watch for silence, the alarm sound, and the ages on the screen. */
const BEAT_MS = 500;

const listeners = new Set<() => void>();
let started = false;

function beat(): void {
  for (const listener of [...listeners]) listener();
}

function start(): void {
  started = true;
  try {
    const worker = new Worker(new URL('./ticker.worker.ts', import.meta.url), { type: 'module' });
    worker.onmessage = beat;
    worker.onerror = () => void setInterval(beat, BEAT_MS);
    worker.postMessage(BEAT_MS);
  } catch {
    setInterval(beat, BEAT_MS); /* no worker: better a slow beat than none */
  }
  /* The page may have slept: look at once, before anybody reads an old value. */
  for (const event of ['visibilitychange', 'resume', 'freeze']) document.addEventListener(event, beat);
  for (const event of ['online', 'offline', 'pageshow', 'focus']) window.addEventListener(event, beat);
}

export function onBeat(listener: () => void): () => void {
  if (!started) start();
  listeners.add(listener);
  return () => void listeners.delete(listener);
}
