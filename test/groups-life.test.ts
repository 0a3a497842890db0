import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startNats } from '@polyedge/testkit/servers/nats';
import { startRedis } from '@polyedge/testkit/servers/redis';
import { startService } from '@polyedge/testkit/servers/service';
import { sharedPostgres } from '@polyedge/testkit/servers/shared';
import { until } from '@polyedge/testkit/until';
import postgres from 'postgres';
import { WebSocket } from 'ws';

const PASSWORD = 'groups-life-password';

interface Member {
  readonly ws: WebSocket;
  readonly ids: string[];
  readonly errors: unknown[];
  closed: number | undefined;
}

test('hiro:E17 an abandoned group is deleted, and one that was away for longer than the journal keeps changes is notified once', async () => {
  await using parts = new AsyncDisposableStack();
  const [nats, redis, database] = await Promise.all([startNats(), startRedis(), sharedPostgres()]);
  for (const part of [nats, redis, database]) parts.use(part);
  const env = { NATS_URL: nats.url, REDIS_URL: redis.url, DATABASE_URL: database.url, LOG_LEVEL: 'warn' };
  const life = { GRAPH_STORE_GROUP_IDLE_MS: '4000', GRAPH_STORE_SWEEP_MS: '500' };
  parts.use(await startService({ name: 'graph-store', env: { ...env, ...life, POLYEDGE_ADMIN_PASSWORD: PASSWORD } }));
  const hiro = parts.use(await startService({ name: 'hiro-edge', env }));
  const sql = postgres(database.url, { max: 1, onnotice: () => {} });
  parts.defer(() => sql.end({ timeout: 1 }));
  const login = await fetch(`${hiro.url}/api/auth/6.6/app`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ client_id: 't', client_secret: '', username: 'admin', password: PASSWORD }),
  });
  const token = ((await login.json()) as { _TOKEN: string })._TOKEN;
  const make = async (type: string): Promise<string> => {
    const response = await fetch(`${hiro.url}/api/graph/7.4/new/${encodeURIComponent(type)}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: '{}',
    });
    return ((await response.json()) as { 'ogit/_id': string })['ogit/_id'];
  };
  const makeMany = (type: string, count: number): Promise<string[]> => Promise.all(Array.from({ length: count }, () => make(type)));
  const join = (group: string, type: string): Member => {
    const ws = new WebSocket(`ws://127.0.0.1:${hiro.port}/api/events-ws/6.2/?groupId=${group}&offset=smallest`, [
      'events-1.0.0',
      `token-${token}`,
    ]);
    const member: Member = { ws, ids: [], errors: [], closed: undefined };
    ws.on('open', () =>
      ws.send(JSON.stringify({ type: 'register', args: { 'filter-id': 'f', 'filter-content': `(element.ogit/_type = ${type})` } })),
    );
    ws.on('message', (data) => {
      const frame = JSON.parse(String(data)) as { id?: string; error?: unknown };
      if (frame.id === undefined) member.errors.push(frame.error);
      else member.ids.push(frame.id);
    });
    ws.on('close', (code) => {
      member.closed = code;
    });
    ws.on('error', () => {});
    parts.defer(() => ws.terminate());
    return member;
  };
  const leave = async (member: Member): Promise<void> => {
    member.ws.close();
    await until('the socket closes', () => member.closed !== undefined);
  };

  // Expiry: confirmed changes are delivered again, because the group is new.
  const first = await makeMany('ogit/Expiry', 3);
  const one = join('expiring', 'ogit/Expiry');
  await until('the group begins at the oldest event', () => one.ids.length === 3);
  await leave(one);
  await until('the group is forgotten', async () => (await sql`select 1 from consumer_group where name = 'expiring'`).length === 0);
  const back = join('expiring', 'ogit/Expiry');
  await until('the group begins anew', () => first.every((id) => back.ids.includes(id)));
  await leave(back);

  // Retention: the changes that the group missed are dropped from the journal before it returns.
  await sql`update consumer_group set touched_on = now() + interval '1 day'`;
  const missed = await makeMany('ogit/Expiry', 5);
  const [sequencer] = await sql<{ seq: string }[]>`select seq from sequencer`;
  await sql`delete from journal where seq <= ${sequencer?.seq ?? '0'}`;
  const kept = await makeMany('ogit/Expiry', 5);
  // Redis must be refilled from the journal, too.
  await redis.kill();
  await redis.restart();
  await flush(redis.port);
  const late = join('expiring', 'ogit/Expiry');
  await until('the gap is told', () => late.closed !== undefined);
  assert.equal(late.closed, 1013);
  assert.equal(late.errors.length, 1);
  const again = join('expiring', 'ogit/Expiry');
  await until('the group goes on at the oldest event', () => kept.every((id) => again.ids.includes(id)));
  assert.ok(!missed.some((id) => again.ids.includes(id)));
  assert.deepEqual(late.ids, [], 'nothing is given behind the gap to the one that is told of it');
});

async function flush(port: number): Promise<void> {
  const { connect } = await import('node:net');
  await new Promise<void>((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' }, () => socket.write('FLUSHALL\r\n'));
    socket.once('data', () => socket.end());
    socket.once('close', () => resolve());
    socket.once('error', () => resolve());
  });
}
