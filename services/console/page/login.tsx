import { useEffect, useRef, useState } from 'preact/hooks';
import { type Answer, call } from './call.ts';
import { Brand, Problem } from './parts.tsx';

export function Login({ over, onDone }: { readonly over: boolean; onDone(): Promise<Answer<unknown>> }) {
  const [problem, setProblem] = useState<string>();
  const [busy, setBusy] = useState(false);
  const first = useRef<HTMLInputElement>(null);
  useEffect(() => first.current?.focus(), []);
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    if (busy || !(event.currentTarget instanceof HTMLFormElement)) return;
    const fields = new FormData(event.currentTarget);
    setBusy(true);
    const loggedIn = await call('POST', '/api/session', {
      username: String(fields.get('username')),
      password: String(fields.get('password')),
    });
    const answer = loggedIn.ok ? await onDone() : loggedIn;
    setBusy(false);
    if (!answer.ok) setProblem(sentenceOf(answer.status, answer.message));
  };
  return (
    <main class="login">
      <form onSubmit={(event) => void submit(event)}>
        <Brand />
        <h1>Log in to the console</h1>
        {over && problem === undefined ? <p class="hint">Your session has ended.</p> : null}
        <label>
          User name
          <input ref={first} name="username" autocomplete="username" required />
        </label>
        <label>
          Password
          <input name="password" type="password" autocomplete="current-password" required />
        </label>
        <Problem message={problem} />
        <button type="submit" class="primary" disabled={busy}>
          {busy ? 'Logging in …' : 'Log in'}
        </button>
      </form>
    </main>
  );
}

function sentenceOf(status: number, message: string): string {
  if (status === 401) return 'The user name or the password is wrong.';
  if (status === 429) return 'Too many failed logins. Wait a few minutes and try again.';
  if (status === 403) return 'This account may not use the console: it is for administrators.';
  return `You cannot be logged in now: ${message}.`;
}
