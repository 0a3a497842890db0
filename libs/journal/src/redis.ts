/** The connection to Redis. Commands fail at once while it is down, instead of filling a queue: callers handle the failure. */
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { AbstractConnector, Cluster, Redis as OneServer, type RedisOptions } from 'ioredis';

/**
 * ioredis ends a connection without listening for its errors any more: over TLS the server's alert about a handshake that was cut short would
 * end the process. Replaced for all connections, since those to the nodes of a cluster and to Sentinels are made inside the library.
 */
const { disconnect } = AbstractConnector.prototype;
AbstractConnector.prototype.disconnect = function disconnectQuietly(this: { readonly stream?: Socket } & AbstractConnector): void {
  this.stream?.on('error', () => {});
  disconnect.call(this);
};

/**
 * ioredis 6 has `class VerbatimString extends String`. A class that extends it turns String.prototype into a dictionary in V8, so that every
 * method and every length of every text of the process is looked up there each time: a loop over the characters of a text takes ten times as
 * long. Reading a property of it through an inline cache, which a function has after some calls, turns it back.
 */
const lengthOf = ({ length }: { readonly length: number }): number => length;
for (let call = 0; call < 100; call += 1) lengthOf(String.prototype);

/** A connection to one server, or one to each primary of a cluster. All keys of a command to a cluster are in one slot. */
export type Redis = OneServer | Cluster;

export interface RedisSettings {
  /**
   * `rediss://…?cafile=FILE` uses TLS, with a server whose certificate is signed by the authority in FILE. With `?sentinel=HOST:PORT`, once
   * per Sentinel, the host is the name of the primary in the Sentinels; reconnects find the new primary after a failover. With
   * `?cluster=HOST:PORT`, once per further node, the host is a node of a Redis Cluster; the others are found through any of them.
   */
  readonly url: string;
  /** Shown in CLIENT LIST. */
  readonly name: string;
  readonly onError: (error: Error) => void;
  /** A server was reached, in a cluster any one of them. */
  readonly onReady?: () => void;
}

export function connectRedis({ url, name, onError, onReady = () => {} }: RedisSettings): Redis {
  const target = new URL(url);
  const authority = target.searchParams.get('cafile');
  const sentinels = target.searchParams.getAll('sentinel').map((text) => addressOf(text, DEFAULT_SENTINEL_PORT));
  const nodes = target.searchParams.getAll('cluster').map((text) => addressOf(text, DEFAULT_PORT));
  for (const name of ['cafile', 'sentinel', 'cluster']) target.searchParams.delete(name);
  const options = optionsOf(name, authority === null ? {} : { tls: { ca: readFileSync(authority, 'utf8') } });
  const redis = nodes.length > 0 ? throughNodes(target, nodes, options) : oneServer(target, sentinels, options);
  redis.on('error', onError);
  // The cluster's own error says only that no node was reached.
  redis.on('node error', onError);
  redis.on('ready', onReady);
  redis.on('+node', (node: OneServer) => void node.on('ready', onReady));
  return redis;
}

type ConnectionOptions = ReturnType<typeof optionsOf>;

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
    // Scripts' maps and numbers have the same form in Redis 6 and 7.
    protocol: 2,
  }) satisfies RedisOptions;

/** The authority of the server's certificate, unless the system trusts it anyway. */
interface Secure {
  readonly tls?: { readonly ca?: string };
}

/** The servers with keys: the currently known primaries of a cluster, or the only server. */
export const primariesOf = (redis: Redis): readonly OneServer[] => (redis instanceof Cluster ? redis.nodes('master') : [redis]);

/** A command, its name in lower case, with its arguments. */
type Command = readonly (string | number)[];
type CommandReply = readonly [error: Error | null, answer?: unknown];

/** Sends commands in one message; to a cluster, each in its own message to the server with its keys. Never rejects: each reply has its command's error. */
export async function sendAll(redis: Redis, commands: readonly Command[]): Promise<readonly CommandReply[]> {
  if (!(redis instanceof Cluster)) {
    const replies = await redis.pipeline(commands.map((command) => [...command])).exec();
    return commands.map((_, at) => replies?.[at] ?? [new Error('Redis did not answer')]);
  }
  return await Promise.all(
    commands.map(async ([name = '', ...args]): Promise<CommandReply> => {
      try {
        return [null, await redis.call(String(name), ...args)];
      } catch (error) {
        return [error instanceof Error ? error : new Error(String(error))];
      }
    }),
  );
}

interface ServerAddress {
  readonly host: string;
  readonly port: number;
}

const DEFAULT_SENTINEL_PORT = 26_379;
const DEFAULT_PORT = 6379;

function addressOf(text: string, otherwise: number): ServerAddress {
  const { hostname, port } = new URL(`redis://${text}`);
  return { host: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? otherwise : Number(port) };
}

const loginOf = ({ username, password }: URL): { readonly username?: string; readonly password?: string } => ({
  ...(username === '' ? {} : { username: decodeURIComponent(username) }),
  ...(password === '' ? {} : { password: decodeURIComponent(password) }),
});

const oneServer = (target: URL, sentinels: readonly ServerAddress[], options: ConnectionOptions): OneServer =>
  sentinels.length === 0
    ? new OneServer(target.href, options)
    : new OneServer({ ...options, ...throughSentinels(target, sentinels, options) });

/** Connections to all primaries; redirections keep the table of slots current. A command fails at once while its server is unavailable. */
function throughNodes(target: URL, nodes: readonly ServerAddress[], options: ConnectionOptions): Cluster {
  const { retryStrategy: again, enableOfflineQueue, tls = {}, ...each } = options;
  const secure = target.protocol === 'rediss:';
  const cluster = new Cluster([addressOf(target.host, DEFAULT_PORT), ...nodes], {
    enableOfflineQueue,
    clusterRetryStrategy: again,
    // A command without an answer may have been executed: only the caller knows whether it may be repeated.
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: 0,
    // With the connection and its TLS handshake: the library's second is too short for them on a busy machine.
    slotsRefreshTimeout: 3000,
    redisOptions: { ...each, ...loginOf(target), ...(secure ? { tls } : {}) },
    // Certificates are issued for the name.
    ...(secure ? { dnsLookup: (name, found) => found(null, name) } : {}),
  });
  // Without this, the first command opens the connection and the commands until then fail.
  cluster.on('+node', (node: OneServer) => void node.connect().catch(() => {}));
  return cluster;
}

const throughSentinels = (target: URL, sentinels: readonly ServerAddress[], { tls = {} }: Secure) => ({
  name: target.hostname,
  sentinels: [...sentinels],
  ...loginOf(target),
  // The Sentinels' certificates are of the same authority.
  ...(target.protocol === 'rediss:' ? { tls, sentinelTLS: tls, enableTLSForSentinelMode: true } : {}),
  // A replaced primary may continue as a replica and keep its connections: a rejected write triggers a reconnect.
  reconnectOnError: (error: Error) => error.message.startsWith('READONLY'),
  sentinelRetryStrategy: (attempt: number) => Math.min(attempt * 50, 1000),
});
