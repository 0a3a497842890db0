/** The system under the kill test: three real servers and two replicas of graph-store, each in a process that can be killed or stopped. */
import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { MAIN } from '@polyedge/contracts/journal';
import type { Bus } from '@polyedge/service-kit/bus';
import { RoutedBus } from '@polyedge/service-kit/journal-bus';
import { connectNatsBus } from '@polyedge/service-kit/nats-bus';
import { KnownPlacements } from '@polyedge/service-kit/placements';
import { type Gateway, openGateway } from '@polyedge/testkit/servers/gateway';
import { startNats } from '@polyedge/testkit/servers/nats';
import { createDatabase, startPostgres } from '@polyedge/testkit/servers/postgres';
import { startRedis } from '@polyedge/testkit/servers/redis';
import type { RunningServer } from '@polyedge/testkit/servers/server-process';
import { type RunningService, startService } from '@polyedge/testkit/servers/service';
import { ADMIN_PASSWORD } from './hiro.ts';
import { TENANT } from './writer.ts';

export interface Servers {
  readonly nats: RunningServer;
  readonly redis: RunningServer;
  readonly postgres: RunningServer;
}

/** A journal, the tenant in it that is written and watched, and its database. */
export interface Place {
  readonly journal: string;
  readonly tenant: string;
  readonly databaseUrl: string;
  /** The server of that database. */
  readonly server: RunningServer;
}

export interface System extends AsyncDisposable, Servers {
  /** `main` first. */
  readonly places: readonly Place[];
  readonly stores: readonly RunningService[];
  /** The edge of the HIRO clients; absent unless requested. */
  readonly hiro: RunningService | undefined;
  /** The gateway to NATS of the edge that is occasionally cut off. */
  readonly gateway: Gateway;
  /** Services that ended unexpectedly, which are bugs. */
  readonly crashes: readonly string[];
  /** A connection to NATS such as an edge has; `far` goes through the gateway. */
  bus(name: string, far?: boolean): Promise<Bus>;
}

/**
 * Starts everything; disposing of it stops everything.
 * @param servers that already run; they are stopped with the rest. `second` is the one of the second journal's database
 * @param second a tenant that is placed in a second journal, on a database of its own, on the same server unless there is another; each replica serves both
 */
export async function startSystem(
  replicas = 2,
  withHiro = false,
  servers: Partial<Servers & { readonly second: RunningServer }> = {},
  second?: string,
): Promise<System> {
  const parts = new AsyncDisposableStack();
  try {
    const [nats, redis, postgres] = await Promise.all([
      servers.nats ?? startNats(),
      servers.redis ?? startRedis(),
      servers.postgres ?? startPostgres(),
    ]);
    for (const server of [nats, redis, postgres]) parts.use(server);
    if (servers.second !== undefined) parts.use(servers.second);
    const gateway = parts.use(await openGateway(nats.port));
    const crashes: string[] = [];
    const databases = { DATABASE_URL: postgres.url };
    const places: Place[] = [{ journal: MAIN, tenant: TENANT, databaseUrl: postgres.url, server: postgres }];
    if (second !== undefined) {
      const server = servers.second ?? postgres;
      const target = new URL(server.url);
      target.pathname = '/polyedge_second';
      const databaseUrl = target.href;
      if (!(await createDatabase(server.url, 'polyedge_second'))) throw new Error('the second database could not be made');
      places.push({ journal: 'second', tenant: second, databaseUrl, server });
      Object.assign(databases, { POLYEDGE_JOURNALS: `second=${databaseUrl}` });
    }
    const env = { NATS_URL: nats.url, REDIS_URL: redis.url, ...databases, LOG_LEVEL: 'info' };
    const settings = { POLYEDGE_ADMIN_PASSWORD: ADMIN_PASSWORD, GRAPH_STORE_HIRO_TOKEN_MS: '86400000' };
    const stores = await Promise.all(
      Array.from({ length: replicas }, async () => {
        const store: RunningService = await startService({
          name: 'graph-store',
          env: { ...env, ...settings },
          onUnexpectedExit: (reason) => crashes.push(`${reason}\n${store.log()}`),
        });
        return parts.use(store);
      }),
    );
    if (second !== undefined) {
      const program = resolve(import.meta.dirname, '../../services/graph-store/src/tenants.ts');
      await promisify(execFile)(process.execPath, [program, 'place', second, 'second'], { env: { ...process.env, ...databases } });
    }
    const hiro = withHiro ? parts.use(await startHiro()) : undefined;
    async function startHiro(): Promise<RunningService> {
      return await startService({ name: 'hiro-edge', env, onUnexpectedExit: (reason) => crashes.push(reason) });
    }
    return {
      nats,
      redis,
      postgres,
      places,
      stores,
      hiro,
      gateway,
      crashes,
      async bus(name, far = false) {
        const url = far ? `nats://127.0.0.1:${gateway.port}` : nats.url;
        const connected = await connectNatsBus({ url, service: name });
        if (!connected.ok) throw new Error(connected.failure.detail);
        parts.defer(() => connected.value.close());
        if (second === undefined) return connected.value;
        const placements = new KnownPlacements(connected.value);
        placements.start();
        parts.defer(() => placements.stop());
        await placements.refresh();
        return new RoutedBus(connected.value, placements);
      },
      [Symbol.asyncDispose]: () => parts.disposeAsync(),
    };
  } catch (error) {
    await parts.disposeAsync();
    throw error;
  }
}

/** The index in `stores` of the publishing replica; undefined if there is none or it cannot be reached. */
export async function publisherOf(stores: readonly RunningService[]): Promise<number | undefined> {
  for (const [index, { metricsUrl }] of stores.entries()) {
    try {
      const text = await (await fetch(metricsUrl, { signal: AbortSignal.timeout(500) })).text();
      if (/publisher_active(\{[^}]*\})? 1$/m.test(text)) return index;
    } catch {
      // It was killed or stopped.
    }
  }
  return undefined;
}
