/* SoundControl.tsx - whether this screen can be heard, said so that nobody can miss it. */
import { Button } from '@mantine/core';
import { useLocalNow, useSound } from '@/lib/hooks';
import { sound } from '@/lib/sound';
import { formatCountdown } from '@/lib/time';
import css from './SoundControl.module.css';

export function SoundControl() {
  const state = useSound();
  const now = useLocalNow();
  if (state.kind === 'blocked')
    return (
      <button type="button" className={css.off} onClick={() => void sound.enable()}>
        Sound is off – click to enable
      </button>
    );
  if (state.kind === 'paused')
    return (
      <button type="button" className={css.off} onClick={() => sound.resume()}>
        Sound paused {formatCountdown(state.until - now)} – click to sound again
      </button>
    );
  return (
    <Button
      size="xs"
      variant="default"
      onClick={() => sound.pause()}
      title="Every alarm sound of this screen, for two minutes"
    >
      Pause sound 2 min
    </Button>
  );
}

export function SoundTest() {
  return (
    <Button size="sm" variant="default" onClick={() => void sound.test()} title="Three pulses">
      Test the sound
    </Button>
  );
}
