/** The whole system for a measurement: NATS, Redis, PostgreSQL, graph-store and hiro-edge, each a process of its own, used by nothing else. */
import { mkdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { startNats } from '@polyedge/testkit/servers/nats';
import { createDatabase, startPostgres } from '@polyedge/testkit/servers/postgres';
import { startRedis } from '@polyedge/testkit/servers/redis';
import type { RunningServer } from '@polyedge/testkit/servers/server-process';
import { type RunningService, startService } from '@polyedge/testkit/servers/service';
import { Child } from './child.ts';

/** The administrator. */
export const ADMIN = { username: 'admin', password: 'benchmark-password' } as const;

export interface System extends AsyncDisposable {
  readonly nats: RunningServer;
  readonly redis: RunningServer;
  readonly postgres: RunningServer;
  readonly store: RunningService;
  readonly hiro: RunningService;
  /** An access token of the administrator, valid for an hour. */
  readonly token: string;
  /** The administrator's scope. */
  readonly scope: string;
}

/** The working copy of another version, with its packages installed, that some benchmarks measure in turn with this one (`BENCH_CHECKOUT`). */
export const otherCheckout: string | undefined = process.env.BENCH_CHECKOUT;

/**
 * Starts everything. `natsConfig` are additional lines of the NATS server's configuration.
 * @param checkout the working copy whose services run, if not this one
 */
export async function startSystem(natsConfig = '', checkout?: string): Promise<System> {
  await using parts = new AsyncDisposableStack();
  const [nats, redis, postgres] = await Promise.all([startNats({ config: natsConfig }), startRedis(), startPostgres()]);
  for (const part of [nats, redis, postgres]) parts.use(part);
  const common = { NATS_URL: nats.url, REDIS_URL: redis.url, DATABASE_URL: postgres.url, LOG_LEVEL: 'warn' };
  const store = parts.use(
    await startService({
      name: 'graph-store',
      ...(checkout === undefined ? {} : { checkout }),
      env: { ...common, ...profiling('graph-store'), POLYEDGE_ADMIN_PASSWORD: ADMIN.password, GRAPH_STORE_HIRO_TOKEN_MS: '3600000' },
    }),
  );
  const hiro = parts.use(await startHiro(common, checkout));
  const { token, scope } = await login(hiro.url);
  const kept = parts.move();
  return { nats, redis, postgres, store, hiro, token, scope, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

/** The CRUD service that one begins with (`baselines/crud-route.ts`), in a database of its own on the system's PostgreSQL. */
export async function startRoute({ postgres }: System): Promise<Child> {
  if (!(await createDatabase(postgres.url, 'route'))) throw new Error('PostgreSQL does not answer');
  const url = new URL(postgres.url);
  url.pathname = '/route';
  return await Child.start('crud-route', url.href);
}

/** Its port. */
export const portOf = (child: Child): number => (child.ready as { port: number }).port; // both ends are files of this folder

/** A hiro-edge by itself, with its defaults: validation, limits, tokens and metrics on. */
export function startHiro(
  env: {
    readonly NATS_URL: string;
    readonly REDIS_URL?: string;
    readonly DATABASE_URL?: string;
    readonly NODE_OPTIONS?: string;
  },
  checkout?: string,
): Promise<RunningService> {
  return startService({
    name: 'hiro-edge',
    ...(checkout === undefined ? {} : { checkout }),
    env: { LOG_LEVEL: 'warn', ...env, ...profiling('hiro-edge') },
  });
}

/** With `BENCH_PROFILE=<service>` that service writes a V8 CPU profile to `.polyedge/bench/profiles` when it ends. */
export function profiling(service: string): Readonly<Record<string, string>> {
  if (process.env.BENCH_PROFILE !== service) return {};
  const folder = resolve(import.meta.dirname, '../../.polyedge/bench/profiles');
  mkdirSync(folder, { recursive: true });
  return { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${folder}` };
}

async function login(url: string): Promise<{ readonly token: string; readonly scope: string }> {
  const response = await fetch(`${url}/api/auth/6.6/app`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ client_id: 'bench', client_secret: '', ...ADMIN }),
    signal: AbortSignal.timeout(20_000),
  });
  const body: unknown = await response.json();
  if (typeof body !== 'object' || body === null || !('_TOKEN' in body) || typeof body._TOKEN !== 'string')
    throw new Error(`no token: ${response.status}`);
  const claims: unknown = JSON.parse(Buffer.from(body._TOKEN.split('.')[1] ?? '', 'base64url').toString());
  // graph-store signed the token: its claims are those of @polyedge/contracts/token-claims.
  return { token: body._TOKEN, scope: (claims as { data: { 'default-scope': string } }).data['default-scope'] };
}
