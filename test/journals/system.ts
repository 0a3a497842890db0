/** Two journals, each on a database and a Redis of its own and served by a process of its own: `main` with the organization `default`, `second` with `acme`. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { resolve } from 'node:path';
import { accountsCreate } from '@polyedge/contracts/bus/accounts';
import type { Bus } from '@polyedge/service-kit/bus';
import { RoutedBus } from '@polyedge/service-kit/journal-bus';
import { connectNatsBus } from '@polyedge/service-kit/nats-bus';
import { KnownPlacements } from '@polyedge/service-kit/placements';
import { startNats } from '@polyedge/testkit/servers/nats';
import { startRedis } from '@polyedge/testkit/servers/redis';
import type { RunningServer } from '@polyedge/testkit/servers/server-process';
import { type RunningService, startService } from '@polyedge/testkit/servers/service';
import { sharedPostgres } from '@polyedge/testkit/servers/shared';
import { natsAccounts, natsUsers } from '../../infra/nats/accounts.ts';
import { redisAcl, redisUsers } from '../../infra/redis/users.ts';

const root = resolve(import.meta.dirname, '../..');

export const PLACED = 'acme';
export const SECOND = 'second';
/** The administrator of each organization. */
export const ADMINS = {
  default: { username: 'admin', password: 'admin-password' },
  acme: { username: 'acme-admin', password: 'acme-password' },
} as const;

type Env = Readonly<Record<string, string>>;

export interface System extends AsyncDisposable {
  readonly nats: RunningServer;
  /** With the credentials of graph-store. */
  readonly redisUrls: { readonly main: string; readonly second: string };
  /** The databases of the journals. */
  readonly urls: { readonly main: string; readonly second: string };
  /** The environment of programs that use both databases. */
  readonly env: Env;
  /** By journal name. */
  readonly stores: { readonly main: RunningService; readonly second: RunningService };
  start(name: string, env?: Env): Promise<RunningService>;
  /** A connection like an edge's. */
  bus(): Promise<Bus>;
  /** Runs `tenants.ts` with these arguments. */
  tenants(...args: readonly string[]): { readonly status: number | null; readonly output: string };
}

const password = (user: string): string => `p-${user}`;

/** Everything has the rights of its own user in NATS and Redis. The organization `acme` has no accounts yet. */
export async function startSystem(): Promise<System> {
  await using parts = new AsyncDisposableStack();
  const acl = redisAcl((service) => `>${password(service)}`);
  const [nats, redis, redisOfSecond, main, second] = await Promise.all([
    startNats({ config: natsAccounts((service) => `"${password(service)}"`) }),
    startRedis({ acl }),
    startRedis({ acl }),
    sharedPostgres(),
    sharedPostgres(),
  ]);
  for (const part of [nats, redis, redisOfSecond, main, second]) parts.use(part);
  const databases = { DATABASE_URL: main.url, POLYEDGE_JOURNALS: `${SECOND}=${second.url}` };
  const as = (name: string, server: RunningServer): string =>
    Object.assign(new URL(server.url), redisUsers.includes(name) ? { username: name, password: password(name) } : {}).href;
  const redisOf = (name: string): Env => ({
    REDIS_URL: as(name, redis),
    ...(redisUsers.includes(name) ? { POLYEDGE_REDIS_JOURNALS: `${SECOND}=${as(name, redisOfSecond)}` } : {}),
  });
  const start = (name: string, env: Env = {}): Promise<RunningService> => {
    return startService({
      name,
      env: {
        NATS_URL: nats.url,
        ...(natsUsers.includes(name) ? { NATS_USER: name, NATS_PASSWORD: password(name) } : {}),
        ...redisOf(name),
        LOG_LEVEL: 'warn',
        ...(name === 'graph-store' ? { ...databases, POLYEDGE_ADMIN_PASSWORD: ADMINS.default.password } : {}),
        ...env,
      },
    });
  };
  const kept = parts.move();
  try {
    const stores = {
      main: kept.use(await start('graph-store', { GRAPH_STORE_SERVES: 'main' })),
      second: kept.use(await start('graph-store', { GRAPH_STORE_SERVES: SECOND })),
    };
    return {
      nats,
      redisUrls: { main: as('graph-store', redis), second: as('graph-store', redisOfSecond) },
      urls: { main: main.url, second: second.url },
      env: databases,
      stores,
      start: async (name, env) => kept.use(await start(name, env)),
      bus: async () => {
        const connected = await connectNatsBus({
          url: nats.url,
          service: 'hiro-edge',
          credentials: { kind: 'password', user: 'hiro-edge', password: password('hiro-edge') },
        });
        if (!connected.ok) throw new Error(connected.failure.detail);
        const placements = new KnownPlacements(connected.value);
        placements.start();
        const bus = new RoutedBus(connected.value, placements);
        kept.defer(() => bus.close());
        await placements.refresh();
        return bus;
      },
      tenants: (...args) => {
        const { status, stdout, stderr } = spawnSync(process.execPath, [resolve(root, 'services/graph-store/src/tenants.ts'), ...args], {
          env: { ...process.env, ...databases, ...redisOf('graph-store') },
          encoding: 'utf8',
        });
        return { status, output: stdout + stderr };
      },
      [Symbol.asyncDispose]: () => kept.disposeAsync(),
    };
  } catch (error) {
    await kept.disposeAsync();
    throw error;
  }
}

/** The administrator of `acme`, in all protocols. @returns its id */
export async function acmeAdmin(bus: Bus): Promise<string> {
  const { username, password: word } = ADMINS.acme;
  const made = await bus.request(
    accountsCreate,
    accountsCreate.subject({ tenant: PLACED }),
    {
      username,
      proof: createHash('sha256').update(word).digest('hex'),
      roles: { hiro: ['admin'], saga: ['Admin'], gooduncle: ['admin'] },
      defaultScope: 'acme-scope',
      scopes: ['*'],
      by: 'test',
    },
    { timeoutMs: 30_000 },
  );
  if (!made.ok) throw new Error(JSON.stringify(made.failure));
  return made.value.id;
}
