import { Button, PasswordInput, TextInput } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { ErrorNote } from '@/components/ErrorNote';
import { api, take } from '@/lib/api/client';
import { session } from '@/lib/session';
import { sound } from '@/lib/sound';
import css from './SignIn.module.css';

export function SignInForm({ username: known, onDone }: { username?: string; onDone?: () => void }) {
  const [username, setUsername] = useState(known ?? '');
  const [password, setPassword] = useState('');
  const login = useMutation({
    mutationFn: () => take(api.POST('/api/auth/login', { body: { username: username.trim(), password } })),
    onSuccess: (answer) => {
      session.begin(answer.access_token, answer.user, answer.expires_in);
      onDone?.();
    },
    onError: () => setPassword(''),
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void sound.enable(); /* this press is the gesture that browsers want before any sound */
    login.mutate();
  };
  return (
    <form method="post" onSubmit={submit} className={css.form}>
      <TextInput
        label="User name"
        withAsterisk={false}
        autoFocus={known === undefined}
        name="username"
        autoComplete="username"
        autoCapitalize="none"
        spellCheck={false}
        size="lg"
        required
        maxLength={63}
        readOnly={known !== undefined}
        value={username}
        onChange={(event) => setUsername(event.currentTarget.value)}
      />
      <PasswordInput
        label="Password"
        withAsterisk={false}
        autoFocus={known !== undefined}
        name="password"
        autoComplete="current-password"
        size="lg"
        required
        maxLength={128}
        data-autofocus={known !== undefined || undefined}
        visibilityToggleButtonProps={{ 'aria-label': 'Show the password' }}
        value={password}
        onChange={(event) => setPassword(event.currentTarget.value)}
      />
      <ErrorNote error={login.error} />
      <Button type="submit" size="lg" fullWidth loading={login.isPending}>
        Sign in
      </Button>
    </form>
  );
}
