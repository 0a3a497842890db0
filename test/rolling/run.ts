/** A rolling restart of hiro-edge under load: two replicas, each stopped and started once while clients watch and changes go on. */
import { startNats } from '@polyedge/testkit/servers/nats';
import { type RunningService, startService } from '@polyedge/testkit/servers/service';
import { sharedPostgres, sharedRedis } from '@polyedge/testkit/servers/shared';
import { WebSocket } from 'ws';

export interface RollingOptions {
  readonly clients: number;
  readonly changesPerSecond: number;
  readonly report: (line: string) => void;
}

export interface RollingResult {
  readonly changes: number;
  /** Changes that a client never got, over all clients. */
  readonly missed: number;
  readonly duplicates: number;
  readonly reconnects: number;
  /** For each restart, from the first client that was sent away to the last. */
  readonly spreadMs: readonly number[];
  /** The largest share of the clients of a replica that were sent away within a quarter of a second. */
  readonly crowded: number;
  readonly serverErrors: number;
  /** Close codes that clients got, and how often. */
  readonly codes: ReadonlyMap<number, number>;
}

/** Who takes clients: what a load balancer knows. A replica is taken out before it is told to end. */
class Rotation {
  readonly #ports: number[];
  #next = 0;

  constructor(ports: readonly number[]) {
    this.#ports = [...ports];
  }

  pick(): number {
    const port = this.#ports[this.#next % this.#ports.length];
    this.#next += 1;
    if (port === undefined) throw new Error('nobody is in rotation');
    return port;
  }

  remove(port: number): void {
    this.#ports.splice(this.#ports.indexOf(port), 1);
  }

  add(port: number): void {
    this.#ports.push(port);
  }
}

/** One watcher with a group of its own, so that what it missed while away comes when it is back. */
class Watcher {
  readonly heard = new Map<number, number>();
  readonly closings: { readonly port: number; readonly at: number; readonly code: number }[] = [];
  ready = false;
  ended = false;
  readonly #rotation: Rotation;
  readonly #path: string;
  readonly #token: string;
  #socket: WebSocket | undefined;

  constructor(rotation: Rotation, group: string, token: string) {
    this.#rotation = rotation;
    this.#path = `/api/events-ws/6.2/?groupId=${group}&offset=largest`;
    this.#token = token;
    this.connect();
  }

  connect(): void {
    const port = this.#rotation.pick();
    const socket = new WebSocket(`ws://127.0.0.1:${port}${this.#path}`, ['events-1.0.0', `token-${this.#token}`], {
      perMessageDeflate: false,
    });
    this.#socket = socket;
    socket.on('open', () => {
      const args = { 'filter-id': 'f', 'filter-type': 'jfilter', 'filter-content': '(element.ogit/_type = ogit/Note)' };
      socket.send(JSON.stringify({ type: 'register', args }));
    });
    socket.on('message', (data) => {
      const number = /"rolling (\d+)"/.exec(String(data))?.[1];
      if (number === undefined) this.ready ||= String(data).includes('"warm-up');
      else this.heard.set(Number(number), (this.heard.get(Number(number)) ?? 0) + 1);
    });
    socket.on('error', () => {});
    socket.on('close', (code) => {
      if (this.ended) return;
      this.closings.push({ port, at: performance.now(), code });
      setTimeout(() => this.ended || this.connect(), 100);
    });
  }

  end(): void {
    this.ended = true;
    this.#socket?.terminate();
  }
}

export async function rollingRestart({ clients, changesPerSecond, report }: RollingOptions): Promise<RollingResult> {
  await using stack = new AsyncDisposableStack();
  const [nats, redis, database] = await Promise.all([startNats(), sharedRedis(), sharedPostgres()]);
  for (const part of [nats, redis, database]) stack.use(part);
  const env = {
    ...{ NATS_URL: nats.url, REDIS_URL: redis.url, DATABASE_URL: database.url, LOG_LEVEL: 'warn', POLYEDGE_ADMIN_PASSWORD: 'rolling' },
    HIRO_MAX_CONNECTIONS_PER_ADDRESS: '10000',
  };
  // Settings of one service are unknown to another.
  const { HIRO_MAX_CONNECTIONS_PER_ADDRESS: _hiro, ...store } = env;
  stack.use(await startService({ name: 'graph-store', env: store }));
  const replicas: RunningService[] = [];
  for (let n = 0; n < 2; n += 1) replicas.push(stack.use(await startService({ name: 'hiro-edge', env })));
  const rotation = new Rotation(replicas.map(({ port }) => port));
  let serverErrors = 0;
  const call = async (path: string, body: object, token?: string): Promise<Record<string, string>> => {
    const response = await fetch(`http://127.0.0.1:${rotation.pick()}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(30_000),
    });
    if (response.status >= 500) serverErrors += 1;
    return JSON.parse(await response.text());
  };
  const { _TOKEN: token = '' } = await call('/api/auth/6.6/app', {
    client_id: 't',
    client_secret: '',
    username: 'admin',
    password: 'rolling',
  });
  const note = (name: string) => call('/api/graph/7.4/new/ogit%2FNote', { 'ogit/name': name }, token);

  const watchers = Array.from({ length: clients }, (_, n) => new Watcher(rotation, `rolling-${n}`, token));
  stack.defer(() => {
    for (const watcher of watchers) watcher.end();
  });
  const deadline = performance.now() + 60_000;
  for (let n = 0; watchers.some(({ ready }) => !ready); n += 1) {
    if (performance.now() > deadline) throw new Error(`${watchers.filter(({ ready }) => !ready).length} clients heard nothing`);
    await note(`warm-up ${n}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  report(`${clients} clients watch`);

  let changes = 0;
  const outstanding = new Set<Promise<unknown>>();
  const writing = setInterval(() => {
    changes += 1;
    const write = note(`rolling ${changes}`).finally(() => outstanding.delete(write));
    outstanding.add(write);
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
  clearInterval(writing);
  await Promise.all(outstanding);
  const missing = () => watchers.reduce((sum, { heard }) => sum + changes - heard.size, 0);
  const settled = performance.now() + 30_000;
  while (missing() > 0 && performance.now() < settled) await new Promise((resolve) => setTimeout(resolve, 100));
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
    codes,
  };
}
