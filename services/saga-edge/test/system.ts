/** The real thing for wire tests: NATS, Redis, PostgreSQL, graph-store and saga-edge, each a process of its own. */
import { startNats } from '@polyedge/testkit/servers/nats';
import { type RunningService, startService } from '@polyedge/testkit/servers/service';
import { sharedPostgres, sharedRedis } from '@polyedge/testkit/servers/shared';

export const ADMIN = { username: 'admin', password: 'admin-password' } as const;

type Environment = Readonly<Record<string, string>>;

export interface System extends AsyncDisposable {
  readonly natsUrl: string;
  readonly saga: RunningService;
  readonly store: RunningService;
  /** Another process of a service on the same servers. */
  start(name: string, env?: Environment): Promise<RunningService>;
}

export async function startSystem(env: { readonly store?: Environment; readonly saga?: Environment } = {}): Promise<System> {
  await using parts = new AsyncDisposableStack();
  // Subjects are heard by all users of a NATS server, so this one is nobody else's.
  const [nats, redis, postgres] = await Promise.all([startNats(), sharedRedis(), sharedPostgres()]);
  for (const part of [nats, redis, postgres]) parts.use(part);
  const common = { NATS_URL: nats.url, REDIS_URL: redis.url, DATABASE_URL: postgres.url, LOG_LEVEL: 'warn' };
  const administrator = { POLYEDGE_ADMIN_USERNAME: ADMIN.username, POLYEDGE_ADMIN_PASSWORD: ADMIN.password };
  const start = (name: string, more: Environment = {}): Promise<RunningService> =>
    startService({ name, env: { ...common, ...(name === 'graph-store' ? administrator : {}), ...more } });
  const store = parts.use(await start('graph-store', env.store));
  const saga = parts.use(await start('saga-edge', env.saga));
  const kept = parts.move();
  return {
    natsUrl: nats.url,
    saga,
    store,
    start: async (name, more) => kept.use(await start(name, more)),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}
