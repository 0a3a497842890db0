/**
 * The clock of one machine jumps: a graph-store replica (the publishing one) and a hiro-edge run on their own clock (libfaketime), which is
 * set two hours ahead, then two hours back, while writers, watchers and a consumer group are active.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { findFaketime } from '@polyedge/testkit/servers/find-program';
import { startNats } from '@polyedge/testkit/servers/nats';
import { startRedis } from '@polyedge/testkit/servers/redis';
import { type RunningService, startService } from '@polyedge/testkit/servers/service';
import { sharedPostgres } from '@polyedge/testkit/servers/shared';
import { PATIENCE_MS, until } from '@polyedge/testkit/until';
import postgres from 'postgres';
import { publisherOf } from './kill/system.ts';
import { HiroWatcher, Rotation } from './rolling/watchers.ts';

const ADMIN = { username: 'admin', password: 'admin-password' } as const;
const HOUR_MS = 3_600_000;

test('the clock of one machine jumps two hours ahead and two hours back: nothing is lost or doubled, one replica publishes, tokens are judged by the clock of their edge', async (t) => {
  await using parts = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'polyedge-clock-'));
  parts.defer(() => rm(folder, { recursive: true, force: true }));
  const clocks = { store: join(folder, 'store'), edge: join(folder, 'edge') };
  for (const clock of Object.values(clocks)) await setClock(clock, 0);
  const [nats, redis, database] = await Promise.all([startNats(), startRedis(), sharedPostgres()]);
  for (const part of [nats, redis, database]) parts.use(part);
  const crashes: string[] = [];
  const start = async (name: string, env: Readonly<Record<string, string>>): Promise<RunningService> => {
    const servers = { NATS_URL: nats.url, REDIS_URL: redis.url, DATABASE_URL: database.url, LOG_LEVEL: 'warn' };
    const service: RunningService = await startService({
      name,
      env: { ...servers, ...env },
      onUnexpectedExit: (reason) => crashes.push(`${reason}: ${service.log().slice(-2000)}`),
    });
    return parts.use(service);
  };
  // A day, so that no token expires unintentionally.
  const store = { POLYEDGE_ADMIN_PASSWORD: ADMIN.password, GRAPH_STORE_HIRO_TOKEN_MS: String(24 * HOUR_MS) };
  // As when a machine's clock is set: the monotonic clock is not affected.
  const movable = (clock: string) => ({
    LD_PRELOAD: findFaketime((line) => t.diagnostic(line)),
    FAKETIME_TIMESTAMP_FILE: clock,
    FAKETIME_CACHE_DURATION: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
  });
  // Started first, so that it publishes.
  const jumpedStore = await start('graph-store', { ...store, ...movable(clocks.store) });
  const [steadyStore, jumped, steady] = await Promise.all([
    start('graph-store', store),
    start('hiro-edge', movable(clocks.edge)),
    start('hiro-edge', {}),
  ]);
  const services = [jumpedStore, steadyStore, jumped, steady];
  const sql = postgres(database.url, { max: 1, onnotice: () => {} });
  parts.defer(() => sql.end({ timeout: 1 }));
  const fence = async (): Promise<unknown> => (await sql`select holder, fence from publisher`)[0];

  const ask = async (edge: RunningService, path: string, body: object, token?: string) => {
    const response = await fetch(`${edge.url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    return { status: response.status, text: await response.text() };
  };
  const login = await ask(steady, '/api/auth/6.6/app', { client_id: 't', client_secret: '', ...ADMIN });
  const { _TOKEN: token = '' }: { readonly _TOKEN?: string } = JSON.parse(login.text);

  const on = (edge: RunningService, group?: string): HiroWatcher => new HiroWatcher(new Rotation([edge.port]), group, token);
  const plain = [on(jumped), on(steady)];
  const members = [on(jumped, 'clocks'), on(steady, 'clocks')];
  const watchers = [...plain, ...members];
  parts.defer(() => {
    for (const watcher of watchers) watcher.end();
  });
  const write = (edge: RunningService, n: number) => ask(edge, '/api/graph/7.4/new/ogit%2FNote', { 'ogit/name': `rolling ${n}` }, token);
  await until('everybody hears', async () => {
    await write(steady, 0);
    return watchers.every(({ ready }) => ready);
  });
  assert.equal(await publisherOf([jumpedStore, steadyStore]), 0);
  const lease = await fence();

  // The load: twenty writes a second through each edge; the answers by phase and edge.
  let phase = 'moving';
  let last = 0;
  const taken = new Set<number>();
  const answers = new Map<string, number>();
  const underWay = new Set<Promise<void>>();
  const publishing = new Set<string>();
  const timers = [
    ...[jumped, steady].map((edge) =>
      setInterval(() => {
        last += 1;
        const n = last;
        const during = phase;
        const writing = write(edge, n)
          .then(({ status }) => {
            if (status === 200) taken.add(n);
            // Around a change of the clock either answer is correct.
            if (during !== phase || during === 'moving') return;
            const kind = `${during}: ${edge === jumped ? 'jumped' : 'steady'} ${status}`;
            answers.set(kind, (answers.get(kind) ?? 0) + 1);
          })
          .catch((error: unknown) => {
            crashes.push(String(error));
          })
          .finally(() => underWay.delete(writing));
        underWay.add(writing);
      }, 50),
    ),
    setInterval(() => {
      for (const [at, { metricsUrl }] of [jumpedStore, steadyStore].entries()) {
        void fetch(metricsUrl, { signal: AbortSignal.timeout(2000) })
          .then(async (response) => {
            if (/publisher_active(\{[^}]*\})? 1$/m.test(await response.text())) publishing.add(`${at}`);
          })
          .catch((error: unknown) => {
            crashes.push(String(error));
          });
      }
    }, 200),
  ];
  parts.defer(() => {
    for (const timer of timers) clearInterval(timer);
  });

  /** Runs the load for a number of writes with the clock off by an offset. */
  const during = async (name: string, writes: number, wrongBy: { readonly store: number; readonly edge: number }): Promise<void> => {
    phase = 'moving';
    await Promise.all([setClock(clocks.store, wrongBy.store), setClock(clocks.edge, wrongBy.edge)]);
    const isAt = async ({ url }: RunningService, hours: number): Promise<boolean> => {
      const date = Date.parse((await fetch(`${url}/healthz`)).headers.get('date') ?? '');
      return Math.abs(date - Date.now() - hours * HOUR_MS) < 10_000;
    };
    await until(`the clocks are ${name}`, async () => (await isAt(jumpedStore, wrongBy.store)) && (await isAt(jumped, wrongBy.edge)));
    phase = name;
    const from = last;
    await until(`writes while the clocks are ${name}`, () => last >= from + writes);
  };
  await during('right', 40, { store: 0, edge: 0 });
  // Each phase lasts longer than the renewal of a lease; both together longer than a lease.
  await during('ahead', 130, { store: 2, edge: 2 });
  await during('behind', 130, { store: -2, edge: -2 });
  // The edge is behind by half of the allowed clock skew of tokens.
  await during('apart', 40, { store: 2, edge: -30 / 3600 });
  // The edge is ahead by more than a token's lifetime.
  await during('far ahead', 40, { store: 0, edge: 25 });
  await during('right again', 40, { store: 0, edge: 0 });
  assert.deepEqual(await fence(), lease, 'the lease never changed hands');
  for (const timer of timers) clearInterval(timer);
  await Promise.all(underWay);

  t.diagnostic(JSON.stringify([...answers]));
  const statuses = (kind: string): string => [...answers.keys()].filter((key) => key.startsWith(kind)).join();
  // Through the edge with the correct clock every write succeeds, whichever replica of graph-store handles it.
  for (const name of ['right', 'ahead', 'behind', 'apart', 'far ahead', 'right again'])
    assert.equal(statuses(`${name}: steady`), `${name}: steady 200`);
  for (const name of ['right', 'ahead', 'apart', 'right again']) assert.equal(statuses(`${name}: jumped`), `${name}: jumped 200`);
  assert.equal(statuses('behind: jumped'), 'behind: jumped 401', 'a token from the future is not taken');
  assert.equal(statuses('far ahead: jumped'), 'far ahead: jumped 401', 'a token is over by the clock of its edge');
  const complete = (heard: (n: number) => boolean): boolean => [...taken].every(heard);
  await until('every watcher has heard every change', () => plain.every(({ heard }) => complete((n) => heard.has(n))));
  await until('the group has heard every change', () => complete((n) => members.some(({ heard }) => heard.has(n))));
  t.diagnostic(
    `${taken.size} changes; closings ${watchers.map(({ closings }) => closings.map(({ code }) => code).join()).join(' | ')}; heard ${watchers.map(({ heard }) => heard.size).join()}`,
  );
  for (const { heard } of plain)
    assert.ok(
      [...heard.values()].every((times) => times === 1),
      'nothing came twice',
    );
  assert.ok(
    [...taken].every((n) => members.reduce((sum, { heard }) => sum + (heard.get(n) ?? 0), 0) === 1),
    'nothing came twice to the group, which no member left',
  );
  assert.deepEqual([...publishing], ['0'], 'one replica published all along');
  assert.deepEqual(crashes, []);
  for (const service of services) assert.doesNotMatch(service.log(), /"level":(?:"error"|"fatal"|50|60)/, service.name);
});

/** Replaced atomically: the library terminates a process that finds the file half written. */
async function setClock(file: string, hours: number): Promise<void> {
  await writeFile(`${file}.new`, `${hours < 0 ? '' : '+'}${hours}h\n`);
  await rename(`${file}.new`, file);
}
