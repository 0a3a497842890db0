/** Redis that rejects writes: full, or a read-only replica. Only its copy of the journal is affected. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { startNats } from '@polyedge/testkit/servers/nats';
import { startRedis } from '@polyedge/testkit/servers/redis';
import { startService } from '@polyedge/testkit/servers/service';
import { sharedPostgres } from '@polyedge/testkit/servers/shared';
import { until } from '@polyedge/testkit/until';
import { Redis } from 'ioredis';
import { WebSocket } from 'ws';

test('writes and events continue while Redis is full or read-only, and it catches up afterwards', async () => {
  await using stack = new AsyncDisposableStack();
  const [nats, redis, database] = await Promise.all([startNats(), startRedis(), sharedPostgres()]);
  for (const part of [nats, redis, database]) stack.use(part);
  const env = {
    NATS_URL: nats.url,
    REDIS_URL: redis.url,
    DATABASE_URL: database.url,
    LOG_LEVEL: 'error',
    POLYEDGE_ADMIN_PASSWORD: 'refused',
  };
  const store = stack.use(await startService({ name: 'graph-store', env }));
  const hiro = stack.use(await startService({ name: 'hiro-edge', env }));
  const login = await fetch(`${hiro.url}/api/auth/6.6/app`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ client_id: 't', client_secret: '', username: 'admin', password: 'refused' }),
  });
  const { _TOKEN: token }: { _TOKEN: string } = JSON.parse(await login.text());
  const write = async (name: string) => {
    const response = await fetch(`${hiro.url}/api/graph/7.4/new/ogit%2FNote`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify({ 'ogit/name': name }),
    });
    assert.equal(response.status, 200, name);
    await response.body?.cancel();
  };
  const metric = async (name: string) =>
    Number(new RegExp(`^${name}\\{[^}]*\\} (\\d+)`, 'm').exec(await (await fetch(store.metricsUrl)).text())?.[1] ?? 0);
  const socket = new WebSocket(`${hiro.url.replace('http', 'ws')}/api/events-ws/6.1/?allscopes=true`, ['events-1.0.0', `token-${token}`]);
  stack.defer(() => socket.terminate());
  await once(socket, 'open');
  let heard = '';
  socket.on('message', (data) => (heard += String(data)));
  socket.send(
    JSON.stringify({
      type: 'register',
      args: { 'filter-id': 'f', 'filter-type': 'jfilter', 'filter-content': '(element.ogit/_type=ogit/Note)' },
    }),
  );
  let tries = 0;
  await until('the first event comes', async () => {
    tries += 1;
    await write(`begin-${tries}`);
    return heard.includes('begin-');
  });

  const administrator = new Redis(redis.url);
  stack.defer(() => administrator.disconnect());
  const refusals: readonly (readonly [string, () => Promise<unknown>, () => Promise<unknown>])[] = [
    ['full', () => administrator.config('SET', 'maxmemory', '1'), () => administrator.config('SET', 'maxmemory', '0')],
    ['read-only', () => administrator.replicaof('127.0.0.1', 1), () => administrator.replicaof('NO', 'ONE')],
  ];
  for (const [how, refuse, accept] of refusals) {
    await until('Redis is as far as the journal', async () => (await metric('redis_appended_total')) > 0);
    await refuse();
    const failures = await metric('redis_failures_total');
    for (let n = 0; n < 5; n += 1) await write(`${how}-${n}`);
    await until('the events come', () => heard.includes(`${how}-4`));
    await until('the refusal is counted', async () => (await metric('redis_failures_total')) > failures);
    await accept();
    await write(`after-${how}`);
    // The rejected entries are in the hot journal, too.
    await until('Redis has everything', async () => {
      const keys = await administrator.keys('*:log.*');
      const entries = await Promise.all(keys.map((key) => administrator.xrange(key, '-', '+')));
      const text = JSON.stringify(entries);
      return text.includes(`${how}-4`) && text.includes(`after-${how}`);
    });
  }
});
