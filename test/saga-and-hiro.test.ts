/** One graph behind two protocols: a Saga user and a HIRO client watch and change the same property. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startNats } from '@polyedge/testkit/servers/nats';
import { startService } from '@polyedge/testkit/servers/service';
import { sharedPostgres, sharedRedis } from '@polyedge/testkit/servers/shared';
import { io } from 'socket.io-client';
import { WebSocket } from 'ws';

const ADMIN = { username: 'admin', password: 'admin-password' };

test('saga:8 saga:18 a Saga user`s property change reaches a HIRO events socket, and a HIRO update of that vertex reaches the Saga socket', async () => {
  await using parts = new AsyncDisposableStack();
  const [nats, redis, postgres] = await Promise.all([startNats(), sharedRedis(), sharedPostgres()]);
  for (const part of [nats, redis, postgres]) parts.use(part);
  const env = {
    NATS_URL: nats.url,
    REDIS_URL: redis.url,
    DATABASE_URL: postgres.url,
    LOG_LEVEL: 'warn',
    POLYEDGE_ADMIN_USERNAME: ADMIN.username,
    POLYEDGE_ADMIN_PASSWORD: ADMIN.password,
  };
  parts.use(await startService({ name: 'graph-store', env }));
  const { POLYEDGE_ADMIN_USERNAME: _, POLYEDGE_ADMIN_PASSWORD: __, ...edges } = env;
  const [saga, hiro] = await Promise.all([
    startService({ name: 'saga-edge', env: edges }),
    startService({ name: 'hiro-edge', env: edges }),
  ]);
  parts.use(saga);
  parts.use(hiro);

  const login = await post(`${saga.url}/users/login`, ADMIN);
  const user = io(saga.url, { transports: ['websocket'], reconnection: false });
  parts.defer(() => void user.disconnect());
  const ack = async (event: string, payload: unknown): Promise<Record<string, unknown>> => {
    const answer = (await user.timeout(10_000).emitWithAck(event, payload)) as { status_code: number; body: Record<string, unknown> };
    assert.equal(answer.status_code, 200, JSON.stringify(answer));
    return answer.body;
  };
  await ack('authentication', { accessToken: login.accessToken });
  await ack('/users/join', login._id);
  const heard: { name: string; value: unknown; source_creator: unknown }[] = [];
  user.on('/properties', (property) => heard.push(property));

  const { _TOKEN: token } = await post(`${hiro.url}/api/auth/6.6/app`, { client_id: 'test', client_secret: 'x', ...ADMIN });
  const events = await connect(`${hiro.url.replace('http', 'ws')}/api/events-ws/6.1/`, ['events-1.0.0', `token-${token}`], parts);
  events.send({
    type: 'register',
    args: { 'filter-id': 'f', 'filter-type': 'jfilter', 'filter-content': '(element.ogit/_type = saga/Property)' },
  });
  const graph = await connect(`${hiro.url.replace('http', 'ws')}/api/graph-ws/6.1/`, ['graph-2.0.0', `token-${token}`], parts);

  // The subscription of events has no answer, so the user goes on writing until one is heard.
  let at = 0;
  await until(async () => {
    at += 1;
    await ack('/users/properties', { parent_id: login._id, name: 'mood', value: `m${at}` });
    return events.frames.length > 0;
  });
  const [event] = events.frames;
  const body = event?.body as Record<string, string>;
  assert.equal(body['ogit/_type'], 'saga/Property');
  const id = String(body['ogit/_id']);
  assert.equal(id, `${login._id}:mood`);

  const before = heard.length;
  graph.send({ id: 'u1', type: 'update', headers: { 'ogit/_id': id }, body: { value: 'from hiro' } });
  await until(async () => heard.length > before);
  const { name, value, source_creator } = heard.at(-1) ?? {};
  assert.deepEqual({ name, value, source_creator }, { name: 'mood', value: 'from hiro', source_creator: { type: 'socket' } });
  // The rule of the type holds whoever writes.
  graph.send({ id: 'u2', type: 'update', headers: { 'ogit/_id': id }, body: { name: 'a b' } });
  await until(async () => graph.frames.some((frame) => frame.id === 'u2'));
  assert.ok('error' in (graph.frames.find((frame) => frame.id === 'u2') ?? {}));
});

async function post(url: string, data: unknown): Promise<Record<string, string>> {
  const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(data) });
  const body = (await response.json()) as Record<string, string>;
  assert.equal(response.status, 200, JSON.stringify(body));
  return body;
}

async function connect(url: string, protocols: string[], parts: AsyncDisposableStack) {
  const ws = new WebSocket(url, protocols);
  parts.defer(() => ws.terminate());
  const frames: Record<string, unknown>[] = [];
  ws.on('message', (data) => frames.push(JSON.parse(String(data))));
  await new Promise<void>((resolve, reject) => {
    ws.once('open', () => resolve());
    ws.once('error', reject);
  });
  return { frames, send: (frame: unknown) => ws.send(JSON.stringify(frame)) };
}

async function until(test_: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 15_000;
  while (!(await test_())) {
    assert.ok(Date.now() < deadline, 'it never happened');
    await new Promise((resolve) => setImmediate(resolve));
  }
}
