/** The real thing: NATS, Redis, PostgreSQL, graph-store and gooduncle-edge, each a process of its own, with the users of the protocol page. */
import { createHash } from 'node:crypto';
import { accountsCreate } from '@polyedge/contracts/bus/accounts';
import type { Bus } from '@polyedge/service-kit/bus';
import { silentLog } from '@polyedge/service-kit/log';
import { connectNatsBus } from '@polyedge/service-kit/nats-bus';
import { startNats } from '@polyedge/testkit/servers/nats';
import { startPostgres } from '@polyedge/testkit/servers/postgres';
import { type RunningService, startService } from '@polyedge/testkit/servers/service';
import { sharedPostgres, sharedRedis } from '@polyedge/testkit/servers/shared';

export const TENANT = 'default';

/** What a client sends as its password. */
export const hashed = (password: string): string => createHash('sha256').update(password).digest('hex');

export const USERS = {
  u1: { user: '5551234567', password: hashed('one') },
  u2: { user: '5550000000', password: hashed('two') },
  clerk: { user: 'clerk@x', password: hashed('clerk') },
  admin: { user: 'admin@x', password: hashed('admin') },
} as const;
export type User = keyof typeof USERS;

const ROLES: Readonly<Record<User, string>> = { u1: 'customer', u2: 'customer', clerk: 'clerk', admin: 'admin' };

type RunningPostgres = Awaited<ReturnType<typeof startPostgres>>;
type Env = Readonly<Record<string, string>>;

export interface System extends AsyncDisposable {
  readonly edge: RunningService;
  /** Ends graph-store at once, as a failing machine would. */
  killStore(): Promise<void>;
  startStore(): Promise<void>;
  readonly nats: Awaited<ReturnType<typeof startNats>>;
  /** Only with one of its own. */
  readonly postgres: RunningPostgres | undefined;
  readonly bus: Bus;
  /** The account of a user: its claim `sub`. */
  readonly sub: Readonly<Record<User, string>>;
  startEdge(env?: Env): Promise<RunningService>;
  /** Another service on the same servers, by its name. */
  startBeside(name: string): Promise<RunningService>;
}

/** A client of a test may be fast, and silent for longer than `AS_BY_DEFAULT` while its process has other things to do. */
const PATIENT: Env = { GOODUNCLE_REQUESTS_PER_SECOND: '5000', GOODUNCLE_REQUEST_BURST: '10000', GOODUNCLE_IDLE_MS: '60s' };
/** For tests of how long a client may be silent. */
export const AS_BY_DEFAULT: Env = { GOODUNCLE_IDLE_MS: '3s' };

/** The account that graph-store makes first. */
export const ADMINISTRATOR = { username: 'admin', password: 'administrator' } as const;

/** Like `Promise.all`, but nothing is under way any more when it fails. */
async function allStarted<T extends readonly Promise<unknown>[]>(
  starting: readonly [...T],
): Promise<{ -readonly [at in keyof T]: Awaited<T[at]> }> {
  await Promise.allSettled(starting);
  return Promise.all(starting);
}

/** @param options `ownPostgres`: a PostgreSQL of its own, to be stopped and continued */
export async function startSystem(options: { readonly edge?: Env; readonly ownPostgres?: boolean } = {}): Promise<System> {
  await using parts = new AsyncDisposableStack();
  // What has started ends with `parts`, also where something beside it fails to start.
  const used = async <T extends AsyncDisposable>(starting: Promise<T>): Promise<T> => parts.use(await starting);
  const ownPostgres = options.ownPostgres === true ? used(startPostgres()) : undefined;
  const [nats, redis, postgres] = await allStarted([used(startNats()), used(sharedRedis()), ownPostgres ?? used(sharedPostgres())]);
  const common = { NATS_URL: nats.url, REDIS_URL: redis.url, DATABASE_URL: postgres.url, LOG_LEVEL: 'warn' };
  const startEdge = (env: Env = {}) =>
    startService({
      name: 'gooduncle-edge',
      env: { ...common, ...PATIENT, ...options.edge, ...env },
    });
  const startStore = () => startService({ name: 'graph-store', env: { ...common, POLYEDGE_ADMIN_PASSWORD: ADMINISTRATOR.password } });
  const [store, edge] = await allStarted([used(startStore()), used(startEdge())]);
  const connected = await connectNatsBus({
    url: nats.url,
    service: 'test',
    instance: 'test',
    credentials: { kind: 'none' },
    log: silentLog,
  });
  if (!connected.ok) throw new Error(connected.failure.detail);
  const bus = connected.value;
  parts.defer(() => bus.close());
  const create = async (name: User): Promise<string> => {
    const made = await bus.request(
      accountsCreate,
      accountsCreate.subject({ tenant: TENANT }),
      { username: USERS[name].user, proof: USERS[name].password, roles: { gooduncle: [ROLES[name]] }, by: 'test' },
      { timeoutMs: 30_000 },
    );
    if (!made.ok) throw new Error(JSON.stringify(made.failure));
    return made.value.id;
  };
  const sub = { u1: await create('u1'), u2: await create('u2'), clerk: await create('clerk'), admin: await create('admin') };
  const kept = parts.move();
  return {
    edge,
    killStore: async () => {
      await store.kill();
    },
    startStore: async () => {
      kept.use(await startStore());
    },
    nats,
    postgres: await ownPostgres,
    bus,
    sub,
    startEdge: async (env) => kept.use(await startEdge(env)),
    startBeside: async (name) => kept.use(await startService({ name, env: common })),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}
