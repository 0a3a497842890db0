/** Backup and restore of the whole system: everything acknowledged before the backup is restored under a new epoch, and watchers notice it. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { startNats } from '@polyedge/testkit/servers/nats';
import { createDatabase, dropDatabase, startPostgres } from '@polyedge/testkit/servers/postgres';
import { startRedis } from '@polyedge/testkit/servers/redis';
import { startService } from '@polyedge/testkit/servers/service';
import { PATIENCE_MS, until } from '@polyedge/testkit/until';
import { Redis } from 'ioredis';
import postgres from 'postgres';
import { WebSocket } from 'ws';

const root = resolve(import.meta.dirname, '..');
const run = promisify(execFile);

/** `npm run backup` or `npm run restore`, without the installation. */
const copy = (command: 'backup' | 'restore', folder: string, url: string) =>
  run(process.execPath, [join(root, `infra/local/${command}.ts`), folder], {
    env: { ...process.env, DATABASE_ADMIN_URL: url },
    timeout: 60_000,
  });

test('a backup taken beside writers restores accounts, elements, their history and the position, under a new epoch; an edge that stayed connected notices', async () => {
  await using stack = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), 'polyedge-backup-'));
  stack.defer(() => rmSync(folder, { recursive: true, force: true }));
  const [nats, redis, server] = await Promise.all([startNats(), startRedis(), startPostgres()]);
  for (const part of [nats, redis, server]) stack.use(part);
  const env = {
    NATS_URL: nats.url,
    REDIS_URL: redis.url,
    DATABASE_URL: server.url,
    LOG_LEVEL: 'info',
    POLYEDGE_ADMIN_PASSWORD: 'backed-up',
  };
  const store = stack.use(await startService({ name: 'graph-store', env }));
  const hiro = stack.use(await startService({ name: 'hiro-edge', env }));

  const call = async (method: string, path: string, token?: string, body?: unknown) => {
    const response = await fetch(`${hiro.url}${path}`, {
      method,
      headers: { 'content-type': 'application/json', ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    return { status: response.status, body: JSON.parse(await response.text()) };
  };
  const logIn = async () =>
    (await call('POST', '/api/auth/6.6/app', undefined, { client_id: 't', client_secret: '', username: 'admin', password: 'backed-up' }))
      .body._TOKEN;
  const token: string = await logIn();
  const note = (await call('POST', '/api/graph/7.4/new/ogit%2FNote', token, { 'ogit/name': 'first' })).body['ogit/_id'];
  const rename = (name: string) => call('POST', `/api/graph/7.4/${note}`, token, { 'ogit/name': name });
  for (const name of ['second', 'third']) assert.equal((await rename(name)).status, 200);
  const history = async (using: string) => {
    const { items }: { items: unknown[] } = (await call('GET', `/api/graph/7.4/${note}/history`, using)).body;
    return items;
  };
  const before = await history(token);
  assert.equal(before.length, 3);

  // Writers continue meanwhile; the copy is still of a single moment.
  let writing = true;
  let written = 0;
  const writer = (async () => {
    while (writing) {
      const { status } = await call('POST', '/api/graph/7.4/new/ogit%2FNote', token, { 'ogit/name': 'beside' });
      if (status === 200) written += 1;
    }
  })();
  await until('a write beside is acknowledged', () => written > 3);
  const { stdout } = await copy('backup', join(folder, 'one'), server.url);
  writing = false;
  await writer;
  const [, seqText = '', oldEpoch = ''] = /up to change (\d+) of epoch (\S+)/.exec(stdout) ?? [];
  const seq = Number(seqText);
  assert.ok(seq > 3, stdout);
  assert.equal(statSync(join(folder, 'one')).mode & 0o777, 0o700);
  await assert.rejects(copy('backup', join(folder, 'one'), server.url), 'a backup is not written over');
  await assert.rejects(copy('restore', join(folder, 'one'), server.url), /not empty/);

  // Further writes, which are not in the backup.
  assert.equal((await rename('after the backup')).status, 200);
  const late = (await call('POST', '/api/graph/7.4/new/ogit%2FNote', token, { 'ogit/name': 'late' })).body['ogit/_id'];
  const socket = new WebSocket(`${hiro.url.replace('http', 'ws')}/api/events-ws/6.1/?allscopes=true`, ['events-1.0.0', `token-${token}`]);
  stack.defer(() => socket.terminate());
  await once(socket, 'open');
  socket.send(
    JSON.stringify({
      type: 'register',
      args: { 'filter-id': 'f', 'filter-type': 'jfilter', 'filter-content': '(element.ogit/_type=ogit/Note)' },
    }),
  );
  let events = 0;
  let tries = 0;
  socket.on('message', () => (events += 1));
  await until('an event comes', async () => {
    // A write that changes nothing does not cause an event.
    tries += 1;
    await rename(`watched ${tries}`);
    return events > 0;
  });
  const closed = once(socket, 'close', { signal: AbortSignal.timeout(PATIENCE_MS) });

  // Everything is deleted: database and Redis; NATS is restarted.
  await store.stop();
  await dropDatabase(server.url, 'polyedge');
  await createDatabase(server.url, 'polyedge');
  const wipe = new Redis(redis.url);
  await wipe.flushall();
  wipe.disconnect();
  await nats.restart();
  await copy('restore', join(folder, 'one'), server.url);
  await store.restart();

  const [code] = await closed;
  assert.notEqual(code, 1006, 'the edge itself told its watcher to connect again');
  await until('the edge is ready', async () => (await fetch(`${hiro.url}/readyz`)).ok);
  const again: string = await logIn();
  assert.ok(again, 'the account and its password are there again');
  assert.deepEqual(await history(again), before, 'the timeline is as it was');
  assert.equal(
    (await call('GET', `/api/graph/7.4/${note}`, token)).body['ogit/name'],
    'third',
    'tokens of before are still good: the key came back',
  );
  assert.equal((await call('GET', `/api/graph/7.4/${late}`, again)).status, 404);
  const sql = postgres(server.url, { max: 1 });
  try {
    const [head] = await sql`select seq::integer as seq, epoch from sequencer`;
    assert.notEqual(head?.epoch, oldEpoch);
    assert.equal(head?.seq, seq);
  } finally {
    await sql.end();
  }
  assert.equal((await call('POST', '/api/graph/7.4/new/ogit%2FNote', again, { 'ogit/name': 'new history' })).status, 200);
});
