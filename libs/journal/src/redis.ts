/** The connection to Redis. Commands fail at once while it is down: callers know what to do, a queue that grows does not. */
import { readFileSync } from 'node:fs';
import { Redis } from 'ioredis';

export type { Redis };

export interface RedisSettings {
  /** `rediss://…?cafile=FILE` speaks TLS, with a server whose certificate the authority in FILE signed. */
  readonly url: string;
  /** Shown in CLIENT LIST. */
  readonly name: string;
  readonly onError: (error: Error) => void;
}

export function connectRedis({ url, name, onError }: RedisSettings): Redis {
  const target = new URL(url);
  const authority = target.searchParams.get('cafile');
  target.searchParams.delete('cafile');
  const redis = new Redis(target.href, {
    ...(authority === null ? {} : { tls: { ca: readFileSync(authority, 'utf8') } }),
    connectionName: name,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    connectTimeout: 5000,
    commandTimeout: 10_000,
    retryStrategy: (attempt) => Math.min(attempt * 50, 1000),
    // A script's maps and numbers come as Redis 6 and 7 both give them.
    protocol: 2,
  });
  redis.on('error', onError);
  return redis;
}
