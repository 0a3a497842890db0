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
  readonly changes: number;
  /** Changes that a client never received, summed over all clients. */
  readonly missed: number;
  readonly duplicates: number;
  readonly reconnects: number;
  /** For each restart, the time from the first disconnected client to the last. */
  readonly spreadMs: readonly number[];
  /** The largest share of a replica's clients disconnected within a quarter of a second. */
  readonly crowded: number;
  readonly serverErrors: number;
  /** Writes without any answer. */
  readonly unanswered: number;
  /** The close codes that clients received, with counts. */
  readonly codes: ReadonlyMap<number, number>;
}

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
  let serverErrors = 0;
  let unanswered = 0;
  const call = async (path: string, body: object, token?: string): Promise<Record<string, string>> => {
    const response = await fetch(`http://127.0.0.1:${rotation.pick()}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    if (response.status >= 500) serverErrors += 1;
    return JSON.parse(await response.text());
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
  const outstanding = new Set<Promise<unknown>>();
  const writing = setInterval(() => {
    changes += 1;
    const written = write(changes)
      .catch((error: unknown) => {
        unanswered += 1;
        report(`a write was not answered: ${error instanceof Error ? `${error.message} ${String(error.cause)}` : String(error)}`);
      })
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
    for (const at of away) crowded = Math.max(crowded, away.filter((other) => other >= at && other < at + 250).length / away.length);
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
  const missing = () => watchers.reduce((sum, { heard }) => sum + changes - heard.size, 0);
  await until('everybody has heard every change', () => missing() === 0).catch((error: Error) => report(error.message));
  const codes = new Map<number, number>();
  for (const { code } of watchers.flatMap(({ closings }) => closings)) codes.set(code, (codes.get(code) ?? 0) + 1);
  return {
    changes,
    missed: missing(),
    duplicates: watchers.reduce((sum, { heard }) => sum + [...heard.values()].reduce((more, times) => more + times - 1, 0), 0),
    reconnects: watchers.reduce((sum, { closings }) => sum + closings.length, 0),
    spreadMs,
    crowded,
    serverErrors,
    unanswered,
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
