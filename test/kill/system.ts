/** The system under the kill test: three real servers and two replicas of graph-store, each in a process that can be killed or stopped. */
import { connectNatsBus, type NatsBus } from '@polyedge/service-kit/nats-bus';
import { type Gateway, openGateway } from '@polyedge/testkit/servers/gateway';
import { startNats } from '@polyedge/testkit/servers/nats';
import { startPostgres } from '@polyedge/testkit/servers/postgres';
import { startRedis } from '@polyedge/testkit/servers/redis';
import type { RunningServer } from '@polyedge/testkit/servers/server-process';
import { type RunningService, startService } from '@polyedge/testkit/servers/service';
import { ADMIN_PASSWORD } from './hiro.ts';

export interface Servers {
  readonly nats: RunningServer;
  readonly redis: RunningServer;
  readonly postgres: RunningServer;
}

export interface System extends AsyncDisposable, Servers {
  readonly stores: readonly RunningService[];
  /** Where the HIRO clients are; absent unless asked for. */
  readonly hiro: RunningService | undefined;
  /** The way to NATS of the edge that is cut off now and then. */
  readonly gateway: Gateway;
  /** Services that ended although nobody ended them: bugs. */
  readonly crashes: readonly string[];
  /** A connection to NATS such as an edge has; `far` goes through the gateway. */
  bus(name: string, far?: boolean): Promise<NatsBus>;
}

/**
 * Starts everything; disposing of it ends everything.
 * @param servers that run already; they are ended with the rest
 */
export async function startSystem(replicas = 2, withHiro = false, servers: Partial<Servers> = {}): Promise<System> {
  const parts = new AsyncDisposableStack();
  try {
    const [nats, redis, postgres] = await Promise.all([
      servers.nats ?? startNats(),
      servers.redis ?? startRedis(),
      servers.postgres ?? startPostgres(),
    ]);
    for (const server of [nats, redis, postgres]) parts.use(server);
    const gateway = parts.use(await openGateway(nats.port));
    const crashes: string[] = [];
    const env = { NATS_URL: nats.url, REDIS_URL: redis.url, DATABASE_URL: postgres.url, LOG_LEVEL: 'info' };
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
    const hiro = withHiro ? parts.use(await startHiro()) : undefined;
    async function startHiro(): Promise<RunningService> {
      return await startService({ name: 'hiro-edge', env, onUnexpectedExit: (reason) => crashes.push(reason) });
    }
    return {
      nats,
      redis,
      postgres,
      stores,
      hiro,
      gateway,
      crashes,
      async bus(name, far = false) {
        const url = far ? `nats://127.0.0.1:${gateway.port}` : nats.url;
        const connected = await connectNatsBus({ url, service: name });
        if (!connected.ok) throw new Error(connected.failure.detail);
        parts.defer(() => connected.value.close());
        return connected.value;
      },
      [Symbol.asyncDispose]: () => parts.disposeAsync(),
    };
  } catch (error) {
    await parts.disposeAsync();
    throw error;
  }
}

/** Which replica publishes: the index in `stores`; undefined while none does, or while those that might cannot be asked. */
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
