/** The connection to Redis. Commands fail at once while it is down: callers know what to do, a queue that grows does not. */
import { readFileSync } from 'node:fs';
import { Redis, type RedisOptions } from 'ioredis';

export type { Redis };

export interface RedisSettings {
  /**
   * `rediss://…?cafile=FILE` speaks TLS, with a server whose certificate the authority in FILE signed. With `?sentinel=HOST:PORT`, once for each
   * Sentinel, the host is the name under which they know the primary: whichever server that is, now and after a failover.
   */
  readonly url: string;
  /** Shown in CLIENT LIST. */
  readonly name: string;
  readonly onError: (error: Error) => void;
}

export function connectRedis({ url, name, onError }: RedisSettings): Redis {
  const target = new URL(url);
  const authority = target.searchParams.get('cafile');
  const sentinels = target.searchParams.getAll('sentinel').map(addressOf);
  for (const name of ['cafile', 'sentinel']) target.searchParams.delete(name);
  const tls = authority === null ? {} : { tls: { ca: readFileSync(authority, 'utf8') } };
  const options = {
    ...tls,
    connectionName: name,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    connectTimeout: 5000,
    commandTimeout: 10_000,
    retryStrategy: (attempt: number) => Math.min(attempt * 50, 1000),
    // A script's maps and numbers come as Redis 6 and 7 both give them.
    protocol: 2,
  } satisfies RedisOptions;
  const redis =
    sentinels.length === 0 ? new Redis(target.href, options) : new Redis({ ...options, ...throughSentinels(target, sentinels, tls) });
  redis.on('error', onError);
  return redis;
}

interface Address {
  readonly host: string;
  readonly port: number;
}

const DEFAULT_SENTINEL_PORT = 26_379;

function addressOf(text: string): Address {
  const { hostname, port } = new URL(`redis://${text}`);
  return { host: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? DEFAULT_SENTINEL_PORT : Number(port) };
}

const throughSentinels = (
  { hostname, username, password, protocol }: URL,
  sentinels: readonly Address[],
  { tls = {} }: Pick<RedisOptions, 'tls'>,
) => ({
  name: hostname,
  sentinels: [...sentinels],
  ...(username === '' ? {} : { username: decodeURIComponent(username) }),
  ...(password === '' ? {} : { password: decodeURIComponent(password) }),
  // The Sentinels have certificates of the same authority.
  ...(protocol === 'rediss:' ? { tls, sentinelTLS: tls, enableTLSForSentinelMode: true } : {}),
  // A primary that was replaced may live on as a replica and keep its connections: whoever writes to it has to ask again.
  reconnectOnError: (error: Error) => error.message.startsWith('READONLY'),
  sentinelRetryStrategy: (attempt: number) => Math.min(attempt * 50, 1000),
});
