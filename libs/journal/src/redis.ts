/** The connection to Redis. Commands fail at once while it is down: callers know what to do, a queue that grows does not. */
import { readFileSync } from 'node:fs';
import { Cluster, Redis as OneServer, type RedisOptions } from 'ioredis';

/** A connection to a server, or one to each primary of a cluster. A command of a cluster has keys of one slot. */
export type Redis = OneServer | Cluster;

export interface RedisSettings {
  /**
   * `rediss://…?cafile=FILE` speaks TLS, with a server whose certificate the authority in FILE signed. With `?sentinel=HOST:PORT`, once for each
   * Sentinel, the host is the name under which they know the primary: whichever server that is, now and after a failover. With `?cluster=HOST:PORT`,
   * once for each further node, the host is a node of a Redis Cluster; any of them names the others.
   */
  readonly url: string;
  /** Shown in CLIENT LIST. */
  readonly name: string;
  readonly onError: (error: Error) => void;
}

export function connectRedis({ url, name, onError }: RedisSettings): Redis {
  const target = new URL(url);
  const authority = target.searchParams.get('cafile');
  const sentinels = target.searchParams.getAll('sentinel').map((text) => addressOf(text, DEFAULT_SENTINEL_PORT));
  const nodes = target.searchParams.getAll('cluster').map((text) => addressOf(text, DEFAULT_PORT));
  for (const name of ['cafile', 'sentinel', 'cluster']) target.searchParams.delete(name);
  const options = optionsOf(name, authority === null ? {} : { tls: { ca: readFileSync(authority, 'utf8') } });
  const redis = nodes.length > 0 ? throughNodes(target, nodes, options) : oneServer(target, sentinels, options);
  redis.on('error', onError);
  return redis;
}

type Options = ReturnType<typeof optionsOf>;

const optionsOf = (name: string, secure: Secure) =>
  ({
    ...secure,
    connectionName: name,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    connectTimeout: 5000,
    commandTimeout: 10_000,
    retryStrategy: (attempt: number) => Math.min(attempt * 50, 1000),
    // A script's maps and numbers come as Redis 6 and 7 both give them.
    protocol: 2,
  }) satisfies RedisOptions;

/** The authority of the server's certificate, if it is not one that the system trusts. */
interface Secure {
  readonly tls?: { readonly ca?: string };
}

/** Each server that has keys: the primaries of a cluster that are known at this moment, or the one server. */
export const primariesOf = (redis: Redis): readonly OneServer[] => (redis instanceof Cluster ? redis.nodes('master') : [redis]);

/** A command with its name in lower case, and what came of it. */
type Command = readonly (string | number)[];
type Reply = readonly [error: Error | null, answer?: unknown];

/** Sends commands in one message; in a cluster, each by itself to the server that has its keys. Does not fail: each reply says what came of its command. */
export async function sendAll(redis: Redis, commands: readonly Command[]): Promise<readonly Reply[]> {
  if (!(redis instanceof Cluster)) {
    const replies = await redis.pipeline(commands.map((command) => [...command])).exec();
    return commands.map((_, at) => replies?.[at] ?? [new Error('Redis did not answer')]);
  }
  return await Promise.all(
    commands.map(async ([name = '', ...args]): Promise<Reply> => {
      try {
        return [null, await redis.call(String(name), ...args)];
      } catch (error) {
        return [error instanceof Error ? error : new Error(String(error))];
      }
    }),
  );
}

interface Address {
  readonly host: string;
  readonly port: number;
}

const DEFAULT_SENTINEL_PORT = 26_379;
const DEFAULT_PORT = 6379;

function addressOf(text: string, otherwise: number): Address {
  const { hostname, port } = new URL(`redis://${text}`);
  return { host: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? otherwise : Number(port) };
}

const loginOf = ({ username, password }: URL): { readonly username?: string; readonly password?: string } => ({
  ...(username === '' ? {} : { username: decodeURIComponent(username) }),
  ...(password === '' ? {} : { password: decodeURIComponent(password) }),
});

const oneServer = (target: URL, sentinels: readonly Address[], options: Options): OneServer =>
  sentinels.length === 0
    ? new OneServer(target.href, options)
    : new OneServer({ ...options, ...throughSentinels(target, sentinels, options) });

/** Connections to all primaries, which say where a key is when that has changed. A command fails at once while its server is away. */
function throughNodes(target: URL, nodes: readonly Address[], options: Options): Cluster {
  const { retryStrategy: again, enableOfflineQueue, tls = {}, ...each } = options;
  const secure = target.protocol === 'rediss:';
  const cluster = new Cluster([addressOf(target.host, DEFAULT_PORT), ...nodes], {
    enableOfflineQueue,
    clusterRetryStrategy: again,
    // What was sent and not answered may have been done: whoever asked knows whether it may be repeated.
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: 0,
    redisOptions: { ...each, ...loginOf(target), ...(secure ? { tls } : {}) },
    // A certificate is for the name.
    ...(secure ? { dnsLookup: (name, found) => found(null, name) } : {}),
  });
  // Otherwise the first command would connect, and the next ones fail meanwhile.
  cluster.on('+node', (node: OneServer) => void node.connect().catch(() => {}));
  return cluster;
}

const throughSentinels = (target: URL, sentinels: readonly Address[], { tls = {} }: Secure) => ({
  name: target.hostname,
  sentinels: [...sentinels],
  ...loginOf(target),
  // The Sentinels have certificates of the same authority.
  ...(target.protocol === 'rediss:' ? { tls, sentinelTLS: tls, enableTLSForSentinelMode: true } : {}),
  // A primary that was replaced may live on as a replica and keep its connections: whoever writes to it has to ask again.
  reconnectOnError: (error: Error) => error.message.startsWith('READONLY'),
  sentinelRetryStrategy: (attempt: number) => Math.min(attempt * 50, 1000),
});
