import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startNats } from '@polyedge/testkit/servers/nats';
import { startService } from '@polyedge/testkit/servers/service';
import { sharedPostgres } from '@polyedge/testkit/servers/shared';
import { PATIENCE_MS } from '@polyedge/testkit/until';

const password = 'the-last-calls';

/** A call of each service that waits for graph-store: a login. Good Uncle and JSSocket have no such call over HTTP. */
const logins = [
  ['hiro-edge', '/api/auth/6.6/app', { client_id: 't', client_secret: '', username: 'admin', password }],
  ['saga-edge', '/users/login', { username: 'admin', password }],
  ['space-edge', '/api/v1/users/authenticate', { username: 'admin', password }],
  ['console', '/api/session', { username: 'admin', password }],
] as const;

test('a service that shuts down while it waits for graph-store answers the call first', async () => {
  await using stack = new AsyncDisposableStack();
  const [nats, database] = await Promise.all([startNats(), sharedPostgres()]);
  for (const part of [nats, database]) stack.use(part);
  const servers = { NATS_URL: nats.url, DATABASE_URL: database.url };
  const store = stack.use(await startService({ name: 'graph-store', env: { ...servers, POLYEDGE_ADMIN_PASSWORD: password } }));
  const services = await Promise.all(logins.map(async ([name]) => stack.use(await startService({ name, env: servers }))));

  store.pause();
  const calls = services.map(({ url }, n) => {
    const [, path, body] = logins[n] ?? logins[0];
    return fetch(`${url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-polyedge-console': '1' },
      body: JSON.stringify(body),
    });
  });
  // What was sent before these was read before them.
  for (const { url } of services) for (let n = 0; n < 3; n += 1) await health(url, 'healthz');
  const ends = Promise.all(services.map((service) => service.stop()));
  // Each says first that it is going away.
  await Promise.all(
    services.map(async ({ url }) => {
      while (!(await health(url, 'readyz')).includes('draining'));
    }),
  );
  store.resume();
  for (const [n, call] of calls.entries()) {
    const answer = await call;
    assert.equal(answer.status, 200, `${logins[n]?.[0]}: ${await answer.text()}`);
  }
  await ends;
});

async function health(url: string, page: string): Promise<string> {
  const answer = await fetch(`${url}/${page}`, { signal: AbortSignal.timeout(PATIENCE_MS) });
  return answer.text();
}
