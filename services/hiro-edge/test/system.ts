/** The real thing for wire tests: NATS, Redis, PostgreSQL, graph-store and hiro-edge, each a process of its own. */
import { startNats } from '@polyedge/testkit/servers/nats';
import { startRedis } from '@polyedge/testkit/servers/redis';
import { type RunningService, startService } from '@polyedge/testkit/servers/service';
import { sharedPostgres } from '@polyedge/testkit/servers/shared';
import { PATIENCE_MS } from '@polyedge/testkit/until';

export const ADMIN = { username: 'admin', password: 'admin-password' } as const;

export interface System extends AsyncDisposable {
  readonly hiro: RunningService;
  readonly store: RunningService;
  readonly natsUrl: string;
  /** Another replica, or one with other settings. */
  startHiro(env?: Readonly<Record<string, string>>): Promise<RunningService>;
  /** A fresh access token of the administrator, through `/api/auth/6.6/app`. */
  token(): Promise<string>;
}

export async function startSystem(
  env: { readonly store?: Readonly<Record<string, string>>; readonly hiro?: Readonly<Record<string, string>> } = {},
): Promise<System> {
  await using parts = new AsyncDisposableStack();
  // Subjects are heard by all users of a NATS server, and a publisher removes what other histories left in Redis: both are nobody else's.
  const [nats, redis, postgres] = await Promise.all([startNats(), startRedis(), sharedPostgres()]);
  for (const part of [nats, redis, postgres]) parts.use(part);
  const common = { NATS_URL: nats.url, REDIS_URL: redis.url, DATABASE_URL: postgres.url, LOG_LEVEL: 'warn' };
  const store = parts.use(
    await startService({
      name: 'graph-store',
      env: { ...common, POLYEDGE_ADMIN_USERNAME: ADMIN.username, POLYEDGE_ADMIN_PASSWORD: ADMIN.password, ...env.store },
    }),
  );
  const hiro = parts.use(await startService({ name: 'hiro-edge', env: { ...common, ...env.hiro } }));
  const kept = parts.move();
  return {
    hiro,
    store,
    natsUrl: nats.url,
    startHiro: async (more = {}) => kept.use(await startService({ name: 'hiro-edge', env: { ...common, ...env.hiro, ...more } })),
    token: async () => (await login(hiro.url))._TOKEN,
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

export interface Login {
  readonly _TOKEN: string;
  readonly access_token: string;
  readonly refresh_token: string;
  readonly 'expires-at': number;
  readonly expires_in: number;
}

export async function login(url: string, who: { readonly username: string; readonly password: string } = ADMIN): Promise<Login> {
  const response = await post(`${url}/api/auth/6.6/app`, { client_id: 'test', client_secret: 'x', ...who });
  if (response.status !== 200) throw new Error(`login failed: ${response.status} ${JSON.stringify(response.body)}`);
  return response.body as Login;
}

export async function post(url: string, body: unknown, token?: string): Promise<{ readonly status: number; readonly body: unknown }> {
  return call('POST', url, token, JSON.stringify(body));
}

export async function call(
  method: string,
  url: string,
  token?: string,
  body?: string,
): Promise<{ readonly status: number; readonly body: unknown }> {
  const response = await fetch(url, {
    method,
    headers: {
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
    ...(body === undefined ? {} : { body }),
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  return { status: response.status, body: await response.json() };
}
