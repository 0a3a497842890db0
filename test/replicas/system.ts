/** One system with two replicas of each edge, clients of all five protocols on both, and writers that never stop. */
import { startNats } from '@polyedge/testkit/servers/nats';
import { startRedis } from '@polyedge/testkit/servers/redis';
import { type RunningService, startService } from '@polyedge/testkit/servers/service';
import { sharedPostgres } from '@polyedge/testkit/servers/shared';
import { PATIENCE_MS } from '@polyedge/testkit/until';
import { CHEAP_AUTH, USERS } from '../../services/jssocket-edge/test/doubles.ts';
import { asAdmin, pricing, Rest } from '../../services/space-edge/test/system.ts';
import { HiroWatcher, Rotation, SagaWatcher, type Watcher } from '../rolling/watchers.ts';
import { GoodUncleWatcher, GoodUncleWriter, LastingCore, numberOf, PageWatcher, SpaceWatcher } from './watchers.ts';

/** What a protocol guarantees to a client that was disconnected: everything, or only what is sent while it is connected. */
export type Promised = 'everything' | 'while connected';

/** The clients of one kind, and their subscriptions. */
export interface Audience {
  readonly kind: string;
  readonly promised: Promised;
  readonly watchers: readonly Watcher[];
}

/** One edge as clients see it: its address, its clients, and its source of numbered changes. */
export interface ConnectedEdge {
  readonly name: string;
  readonly rotation: Rotation;
  readonly audiences: readonly Audience[];
  readonly everyMs: number;
  /** Whether change `n` was acknowledged; throws on errors that no client should see. */
  write(n: number): Promise<boolean>;
}

export interface Edge extends ConnectedEdge {
  readonly replicas: readonly RunningService[];
}

export interface System extends AsyncDisposable {
  readonly edges: readonly Edge[];
  /** Of all processes. */
  readonly services: readonly RunningService[];
}

/** The account of the clients. */
export const ADMIN = { username: 'admin', password: 'admin-password' } as const;
const NAMES = ['hiro-edge', 'saga-edge', 'gooduncle-edge', 'space-edge', 'jssocket-edge'] as const;

export async function startReplicas(problems: string[]): Promise<System> {
  await using parts = new AsyncDisposableStack();
  const [nats, redis, database] = await Promise.all([startNats(), startRedis(), sharedPostgres()]);
  for (const part of [nats, redis, database]) parts.use(part);
  const env = { NATS_URL: nats.url, DATABASE_URL: database.url, REDIS_URL: redis.url, LOG_LEVEL: 'warn' };
  const start = async (name: string, more: Readonly<Record<string, string>> = {}): Promise<RunningService> =>
    parts.use(await startService({ name, env: { ...env, ...more }, onUnexpectedExit: (reason) => problems.push(reason) }));
  const [store, ...replicas] = await Promise.all([
    start('graph-store', { POLYEDGE_ADMIN_PASSWORD: ADMIN.password }),
    ...NAMES.flatMap((name) => [name, name]).map((name) => start(name, { SOCKET_AUTH: CHEAP_AUTH })),
  ]);
  const of = (name: string): readonly RunningService[] => replicas.filter((replica) => replica.name === name);
  const connected = parts.use(await connectClients((name) => new Rotation(of(name).map(({ port }) => port))));
  const edges = connected.edges.map((edge) => ({ ...edge, replicas: of(edge.name) }));
  const kept = parts.move();
  return { edges, services: [store, ...replicas], [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

/** Four clients of each kind on every edge of a system that runs, whose administrator has the password of these tests. */
export async function connectClients(
  rotationOf: (name: string) => Rotation,
): Promise<AsyncDisposable & { readonly edges: readonly ConnectedEdge[] }> {
  await using parts = new AsyncDisposableStack();
  const edges: ConnectedEdge[] = [];
  for (const make of [hiro, saga, goodUncle, space, jssocket]) edges.push(await make());
  parts.defer(() => {
    for (const { audiences } of edges) for (const { watchers } of audiences) for (const watcher of watchers) watcher.end();
  });
  const kept = parts.move();
  return { edges, [Symbol.asyncDispose]: () => kept.disposeAsync() };

  async function hiro(): Promise<ConnectedEdge> {
    const rotation = rotationOf('hiro-edge');
    const { _TOKEN: token = '' } = await post(rotation, '/api/auth/6.6/app', { client_id: 't', client_secret: '', ...ADMIN });
    return {
      name: 'hiro-edge',
      rotation,
      everyMs: 100,
      audiences: [
        // Each with its own group, so that each must receive everything; then the plain ones.
        { kind: 'a group', promised: 'everything', watchers: four((n) => new HiroWatcher(rotation, `replicas-${n}`, token)) },
        { kind: 'events-ws', promised: 'while connected', watchers: four(() => new HiroWatcher(rotation, undefined, token)) },
      ],
      write: async (n) => {
        await post(rotation, '/api/graph/7.4/new/ogit%2FNote', { 'ogit/name': `rolling ${n}` }, token);
        return true;
      },
    };
  }

  async function saga(): Promise<ConnectedEdge> {
    const rotation = rotationOf('saga-edge');
    const { _id: user = '', accessToken = '' } = await post(rotation, '/users/login', ADMIN);
    return {
      name: 'saga-edge',
      rotation,
      everyMs: 100,
      audiences: [
        { kind: 'a join and its stream', promised: 'everything', watchers: four(() => new SagaWatcher(rotation, user, accessToken)) },
      ],
      write: async (n) => {
        await post(rotation, `/users/${user}/properties`, { name: 'rolling', value: n }, accessToken);
        return true;
      },
    };
  }

  async function goodUncle(): Promise<ConnectedEdge> {
    const rotation = rotationOf('gooduncle-edge');
    const writer = new GoodUncleWriter(rotation, ADMIN.password);
    parts.defer(() => writer.end());
    return {
      name: 'gooduncle-edge',
      rotation,
      everyMs: 100,
      audiences: [{ kind: 'a subscription', promised: 'everything', watchers: four(() => new GoodUncleWatcher(rotation)) }],
      write: async (n) => {
        await writer.write(n);
        return true;
      },
    };
  }

  async function space(): Promise<ConnectedEdge> {
    const rotation = rotationOf('space-edge');
    const { organizationKey } = await asAdmin(`http://127.0.0.1:${rotation.pick()}`);
    const rest = (): Rest => new Rest(`http://127.0.0.1:${rotation.pick()}`, organizationKey);
    const made = await rest().upload('/services', pricing('Replicas', 'first'));
    if (made.status !== 201) throw new Error(JSON.stringify(made.body));
    const read = async (): Promise<readonly number[]> => {
      const { status, body } = await rest().get('/services/Replicas/pricings');
      if (status !== 200) throw new Error(`SPACE answered ${status} ${JSON.stringify(body)}`);
      return Object.values(body).map(({ version }) => numberOf(String(version)));
    };
    return {
      name: 'space-edge',
      rotation,
      everyMs: 300,
      audiences: [{ kind: 'events, and a read', promised: 'everything', watchers: four(() => new SpaceWatcher(rotation, read)) }],
      write: async (n) => {
        const { status, body } = await rest().upload(
          '/services/Replicas/pricings',
          pricing('Replicas', n > 0 ? String(n) : `warm-up-${-n}`),
        );
        if (status !== 201) throw new Error(`SPACE answered ${status} ${JSON.stringify(body)}`);
        return true;
      },
    };
  }

  async function jssocket(): Promise<ConnectedEdge> {
    const rotation = rotationOf('jssocket-edge');
    // One on each replica, so that a login always finds one.
    const cores = [await LastingCore.start(rotation), await LastingCore.start(rotation)];
    for (const core of cores) parts.use(core);
    let turn = 0;
    return {
      name: 'jssocket-edge',
      rotation,
      everyMs: 100,
      audiences: [{ kind: 'a page', promised: 'while connected', watchers: four(() => new PageWatcher(rotation)) }],
      write: async (n) => {
        turn += 1;
        return (await cores[turn % cores.length]?.notify(USERS['token-ann'] ?? '', n)) === true;
      },
    };
  }
}

const four = <T>(make: (n: number) => T): readonly T[] => Array.from({ length: 4 }, (_, n) => make(n));

async function post(rotation: Rotation, path: string, body: object, token?: string): Promise<Record<string, string>> {
  const response = await fetch(`http://127.0.0.1:${rotation.pick()}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  const text = await response.text();
  if (response.status !== 200) throw new Error(`${path} was answered with ${response.status} ${text}`);
  return JSON.parse(text);
}
