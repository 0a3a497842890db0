/** The connection to Redis. Commands fail at once while it is down, instead of filling a queue: callers handle the failure. */
import { readFileSync } from 'node:fs';
import { Redis, type RedisOptions } from 'ioredis';

export type { Redis };

export interface RedisSettings {
  /**
   * `rediss://…?cafile=FILE` uses TLS, with a server whose certificate is signed by the authority in FILE. With `?sentinel=HOST:PORT`, once
   * per Sentinel, the host is the name of the primary in the Sentinels; reconnects find the new primary after a failover.
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
    // Scripts' maps and numbers have the same form in Redis 6 and 7.
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
  // The Sentinels' certificates are of the same authority.
  ...(protocol === 'rediss:' ? { tls, sentinelTLS: tls, enableTLSForSentinelMode: true } : {}),
  // A replaced primary may continue as a replica and keep its connections: a rejected write triggers a reconnect.
  reconnectOnError: (error: Error) => error.message.startsWith('READONLY'),
  sentinelRetryStrategy: (attempt: number) => Math.min(attempt * 50, 1000),
});
