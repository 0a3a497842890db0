/** A rolling restart of an edge under load: two replicas, each stopped and started once while clients watch and changes go on. */
import { startNats } from '@polyedge/testkit/servers/nats';
import { type RunningService, startService } from '@polyedge/testkit/servers/service';
import { sharedPostgres, sharedRedis } from '@polyedge/testkit/servers/shared';
import { PATIENCE_MS, until } from '@polyedge/testkit/until';
import { HiroWatcher, Rotation, SagaWatcher, type Watcher } from './watchers.ts';

export interface RollingOptions {
  readonly edge: 'hiro-edge' | 'saga-edge';
  readonly clients: number;
  readonly changesPerSecond: number;
  readonly report: (line: string) => void;
}

export interface RollingResult {
  /** Acknowledged writes. */
  readonly changes: number;
  /** Each write that was not acknowledged, with the status and body of its answer or what happened instead of one. */
  readonly unacknowledged: readonly string[];
  /** Each acknowledged change that clients never received, with their number. */
  readonly missed: readonly string[];
  readonly duplicates: number;
  readonly reconnects: number;
  /** For each restart, the time from the first disconnected client to the last. */
  readonly spreadMs: readonly number[];
  /** The largest share of a replica's clients disconnected within a quarter of a second. */
  readonly crowded: number;
  /** The close codes that clients received, with counts. */
  readonly codes: ReadonlyMap<number, number>;
}

/** How long nothing may be received while changes are missing. */
const SILENCE_MS = 30_000;
/** How long a write may wait for its answer. */
const ANSWER_MS = 30_000;
const QUARTER_MS = 250;

export async function rollingRestart({ edge, clients, changesPerSecond, report }: RollingOptions): Promise<RollingResult> {
  await using stack = new AsyncDisposableStack();
  const [nats, redis, database] = await Promise.all([startNats(), sharedRedis(), sharedPostgres()]);
  for (const part of [nats, redis, database]) stack.use(part);
  const servers = { NATS_URL: nats.url, DATABASE_URL: database.url, REDIS_URL: redis.url, LOG_LEVEL: 'warn' };
  const admin = { username: 'admin', password: 'rolling-restart' };
  stack.use(await startService({ name: 'graph-store', env: { ...servers, POLYEDGE_ADMIN_PASSWORD: admin.password } }));
  const replicas: RunningService[] = [];
  const limit = { [`${edge === 'hiro-edge' ? 'HIRO' : 'SAGA'}_MAX_CONNECTIONS_PER_ADDRESS`]: '10000' };
  for (let n = 0; n < 2; n += 1) replicas.push(stack.use(await startService({ name: edge, env: { ...servers, ...limit } })));
  const rotation = new Rotation(replicas.map(({ port }) => port));
  const call = async (path: string, body: object, token?: string): Promise<Record<string, string>> => {
    const response = await fetch(`http://127.0.0.1:${rotation.pick()}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`answered with ${response.status} ${text}`);
    return JSON.parse(text);
  };
  const { watch, write } = edge === 'hiro-edge' ? await ofHiro() : await ofSaga();
  const watchers: readonly Watcher[] = Array.from({ length: clients }, (_, n) => watch(n));
  stack.defer(() => {
    for (const watcher of watchers) watcher.end();
  });
  const deaf = () => watchers.filter(({ ready }) => !ready).length;
  let n = 0;
  await until(
    'every client hears something',
    async () => {
      n += 1;
      await write(-n);
      await new Promise((resolve) => setTimeout(resolve, 200));
      return deaf() === 0;
    },
    { withinMs: PATIENCE_MS + 100 * clients, seen: () => `${deaf()} clients heard nothing` },
  );
  report(`${clients} clients watch`);

  let changes = 0;
  const acknowledged: number[] = [];
  const unacknowledged: string[] = [];
  const outstanding = new Set<Promise<unknown>>();
  const writing = setInterval(() => {
    changes += 1;
    const number = changes;
    const began = performance.now();
    const written = write(number)
      .then(
        () => acknowledged.push(number),
        (error: unknown) => {
          const what =
            error instanceof Error ? [error.message, error.cause].filter((part) => part !== undefined).join(': ') : String(error);
          unacknowledged.push(`write ${number}, after ${Math.round(performance.now() - began)} ms: ${what}`);
        },
      )
      .finally(() => outstanding.delete(written));
    outstanding.add(written);
  }, 1000 / changesPerSecond);
  stack.defer(() => clearInterval(writing));

  const spreadMs: number[] = [];
  let crowded = 0;
  for (const replica of replicas) {
    rotation.remove(replica.port);
    await new Promise((resolve) => setTimeout(resolve, 300));
    const began = performance.now();
    await replica.stop();
    const away = watchers
      .flatMap(({ closings }) => closings.filter(({ port, at }) => port === replica.port && at >= began).map(({ at }) => at))
      .sort((a, b) => a - b);
    const [first = 0] = away;
    spreadMs.push((away.at(-1) ?? 0) - first);
    for (const at of away) crowded = Math.max(crowded, away.filter((other) => other >= at && other < at + QUARTER_MS).length / away.length);
    report(
      `${away.length} clients were sent away within ${Math.round(spreadMs.at(-1) ?? 0)} ms; the replica ended after ${Math.round(performance.now() - began)} ms`,
    );
    await replica.restart();
    rotation.add(replica.port);
  }
  // A busy machine writes fewer changes in the time of two restarts.
  await until('there are a hundred changes', () => changes > 100);
  clearInterval(writing);
  await Promise.all(outstanding);
  const missing = () =>
    acknowledged.flatMap((number) => {
      const count = watchers.filter(({ heard }) => !heard.has(number)).length;
      return count === 0 ? [] : [{ number, count }];
    });
  const received = () => watchers.reduce((sum, { heard }) => sum + heard.size, 0);
  // A slow machine delivers late. Only a delivery that stands still is a failure.
  for (let before = received(), since = performance.now(); missing().length > 0 && performance.now() - since < SILENCE_MS; ) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    const now = received();
    if (now > before) since = performance.now();
    before = now;
  }
  const codes = new Map<number, number>();
  for (const { code } of watchers.flatMap(({ closings }) => closings)) codes.set(code, (codes.get(code) ?? 0) + 1);
  return {
    changes: acknowledged.length,
    unacknowledged,
    missed: missing().map(({ number, count }) => `change ${number}: ${count} clients`),
    duplicates: watchers.reduce((sum, { heard }) => sum + [...heard.values()].reduce((more, times) => more + times - 1, 0), 0),
    reconnects: watchers.reduce((sum, { closings }) => sum + closings.length, 0),
    spreadMs,
    crowded,
    codes,
  };

  /** Every client has a group of its own; a change is a note, negative numbers are warm-ups. */
  async function ofHiro() {
    const { _TOKEN: token = '' } = await call('/api/auth/6.6/app', { client_id: 't', client_secret: '', ...admin });
    return {
      watch: (n: number): Watcher => new HiroWatcher(rotation, `rolling-${n}`, token),
      write: (n: number) => call('/api/graph/7.4/new/ogit%2FNote', { 'ogit/name': `rolling ${n}` }, token),
    };
  }

  /** All clients join the administrator; a change is a value of one of the administrator's properties. */
  async function ofSaga() {
    const { _id: user = '', accessToken = '' } = await call('/users/login', admin);
    return {
      watch: (): Watcher => new SagaWatcher(rotation, user, accessToken),
      write: (n: number) => call(`/users/${user}/properties`, { name: 'rolling', value: n }, accessToken),
    };
  }
}
