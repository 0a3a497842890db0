/** The system that scripts need, each part in a process of its own. One for all tests of a file. */
import { startNats } from '@polyedge/testkit/servers/nats';
import { startRedis } from '@polyedge/testkit/servers/redis';
import type { RunningServer } from '@polyedge/testkit/servers/server-process';
import { type RunningService, type ServiceOptions, startService } from '@polyedge/testkit/servers/service';
import { sharedPostgres } from '@polyedge/testkit/servers/shared';

export const ADMIN = { username: 'admin', password: 'admin-password' } as const;

type Environment = Readonly<Record<string, string>>;

export interface System extends AsyncDisposable {
  readonly saga: RunningService;
  readonly store: RunningService;
  readonly runner: RunningService;
  readonly redis: RunningServer;
  readonly natsUrl: string;
  readonly databaseUrl: string;
  start(name: string, env?: Environment, until?: ServiceOptions['until']): Promise<RunningService>;
}

export async function startSystem(env: { readonly runner?: Environment } = {}): Promise<System> {
  await using parts = new AsyncDisposableStack();
  const [nats, redis, postgres] = await Promise.all([startNats(), startRedis(), sharedPostgres()]);
  for (const part of [nats, redis, postgres]) parts.use(part);
  const common = { NATS_URL: nats.url, REDIS_URL: redis.url, DATABASE_URL: postgres.url, LOG_LEVEL: 'warn' };
  const administrator = { POLYEDGE_ADMIN_USERNAME: ADMIN.username, POLYEDGE_ADMIN_PASSWORD: ADMIN.password };
  const start = (name: string, more: Environment = {}, until: ServiceOptions['until'] = 'ready'): Promise<RunningService> =>
    startService({ name, until, env: { ...common, ...(name === 'graph-store' ? administrator : {}), ...more } });
  const store = parts.use(await start('graph-store'));
  const [saga, runner] = await Promise.all([start('saga-edge'), start('saga-runner', env.runner)]);
  for (const part of [saga, runner]) parts.use(part);
  const kept = parts.move();
  return {
    saga,
    store,
    runner,
    redis,
    natsUrl: nats.url,
    databaseUrl: postgres.url,
    start: async (...of) => kept.use(await start(...of)),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}
