/** The database is restored to an older copy under a group with members: they are notified, and continue in the new epoch without missing anything. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { test } from 'node:test';
import { startNats } from '@polyedge/testkit/servers/nats';
import { startPostgres } from '@polyedge/testkit/servers/postgres';
import { startRedis } from '@polyedge/testkit/servers/redis';
import { startService } from '@polyedge/testkit/servers/service';
import { PATIENCE_MS, until } from '@polyedge/testkit/until';
import postgres from 'postgres';
import { WebSocket } from 'ws';

const PASSWORD = 'groups-epoch-password';
const TYPE = 'ogit/Epoch';

/** A member that reconnects, as clients do, and records its events and how each of its sockets ended. */
class Member {
  readonly ids: string[] = [];
  readonly ends: { readonly code: number; readonly errors: readonly string[] }[] = [];
  readonly #connect: () => WebSocket;
  #ws: WebSocket;
  #stopped = false;

  constructor(port: number, token: string) {
    this.#connect = () => {
      const ws = new WebSocket(`ws://127.0.0.1:${port}/api/events-ws/6.2/?groupId=epoch&offset=smallest`, [
        'events-1.0.0',
        `token-${token}`,
      ]);
      const errors: string[] = [];
      ws.on('open', () =>
        ws.send(JSON.stringify({ type: 'register', args: { 'filter-id': 'f', 'filter-content': `(element.ogit/_type = ${TYPE})` } })),
      );
      ws.on('message', (data) => {
        const frame = JSON.parse(String(data)) as { id?: string; error?: { message: string } };
        if (frame.id === undefined) errors.push(frame.error?.message ?? '');
        else this.ids.push(frame.id);
      });
      ws.on('error', () => {});
      ws.on('close', (code) => {
        this.ends.push({ code, errors });
        if (!this.#stopped) setTimeout(() => (this.#ws = this.#connect()), 100).unref();
      });
      return ws;
    };
    this.#ws = this.#connect();
  }

  [Symbol.dispose](): void {
    this.#stopped = true;
    this.#ws.terminate();
  }
}

test('hiro:E16 members of a living group are notified of a new epoch, reconnect, and receive everything of the new history', async () => {
  await using parts = new AsyncDisposableStack();
  const [nats, redis, database] = await Promise.all([startNats(), startRedis(), startPostgres()]);
  for (const part of [nats, redis, database]) parts.use(part);
  const env = { NATS_URL: nats.url, REDIS_URL: redis.url, DATABASE_URL: database.url, LOG_LEVEL: 'warn' };
  parts.use(await startService({ name: 'graph-store', env: { ...env, POLYEDGE_ADMIN_PASSWORD: PASSWORD } }));
  const [one, two] = await Promise.all([startService({ name: 'hiro-edge', env }), startService({ name: 'hiro-edge', env })]);
  parts.use(one);
  parts.use(two);
  const ask = async <T>(work: (sql: postgres.Sql) => Promise<T>): Promise<T> => {
    const sql = postgres(database.url, { max: 1, onnotice: () => {} });
    try {
      return await work(sql);
    } finally {
      await sql.end({ timeout: 1 });
    }
  };
  const call = async (path: string, body: object, token?: string): Promise<Record<string, unknown>> => {
    const headers = { 'content-type': 'application/json', ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) };
    const response = await fetch(`${one.url}${path}`, {
      method: 'POST',
      headers,
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    return (await response.json()) as Record<string, unknown>;
  };
  const login = await call('/api/auth/6.6/app', { client_id: 't', client_secret: '', username: 'admin', password: PASSWORD });
  const token = String(login._TOKEN);
  const write = async (count: number): Promise<string[]> => {
    const ids: string[] = [];
    await until('the store does not write', async () => {
      const { 'ogit/_id': id } = await call(`/api/graph/7.4/new/${encodeURIComponent(TYPE)}`, {}, token).catch(
        () => ({}) as Record<string, unknown>,
      );
      if (typeof id === 'string') ids.push(id);
      return ids.length >= count;
    });
    return ids;
  };
  const epochNow = (): Promise<string> => ask(async (sql) => String((await sql`select epoch from sequencer`)[0]?.epoch));
  const positions = (): Promise<number[]> =>
    ask(async (sql) => (await sql`select position from group_position`).map(({ position }) => Number(position)));

  const members = [parts.use(new Member(one.port, token)), parts.use(new Member(two.port, token))];
  const heard = (): string[] => members.flatMap(({ ids }) => ids);
  const kept = await write(20);
  await until('the group begins', () => kept.every((id) => heard().includes(id)));

  const [row] = await ask((sql) => sql<{ data_directory: string }[]>`show data_directory`);
  assert.ok(row);
  const cluster = row.data_directory;
  await database.stop();
  copy(cluster, `${cluster}-copy`);
  await database.restart();
  const epoch = await epochNow();
  const forgotten = await write(40);
  await until('the group goes on after a restart of the database', () => forgotten.every((id) => heard().includes(id)));
  const restoredEnd = Math.max(...(await positions())) - forgotten.length;
  await until('a position passes what will be forgotten', async () => (await positions()).some((position) => position > restoredEnd));

  await database.kill();
  rmSync(cluster, { recursive: true });
  copy(`${cluster}-copy`, cluster);
  rmSync(`${cluster}-copy`, { recursive: true });
  await database.restart();
  await until('a new epoch begins', async () => (await epochNow()) !== epoch);
  await until('every member is told', () => members.every(({ ends }) => ends.length > 0));
  for (const { ends } of members) {
    assert.deepEqual(ends[0], { code: 1013, errors: ['another history has begun'] });
  }
  // Their seqs are those of the discarded changes: a position above the restored end would skip them.
  const renewed = await write(60);
  await until('the new history comes to the group', () => renewed.every((id) => heard().includes(id)));
  assert.deepEqual(
    renewed.filter((id) => heard().filter((one) => one === id).length !== 1),
    [],
    'something of the new history came twice',
  );
  assert.deepEqual(
    members.map(({ ends }) => ends.length),
    [1, 1],
    'a member was sent away more than once',
  );
});

function copy(from: string, to: string): void {
  const result = spawnSync('cp', ['-a', from, to], { encoding: 'utf8' });
  assert.equal(result.status, 0, result.stderr);
}
