/** Clusters under the clients of the kill test: several servers of one kind, their faults, and how long writes are not answered then. */
import type { Ground } from '../kill/rounds.ts';
import { natsGround } from './nats.ts';
import { postgresGround } from './postgres.ts';
import { redisGround } from './redis.ts';
import { redisClusterGround } from './redis-cluster.ts';

/**
 * @param told what broke, and the longest time without an answered write
 * @param short one fault of each manner at most, and nothing that only measures
 */
type MakeGround = (told: (what: string, withoutMs: number) => void, short?: boolean) => Ground;

export const grounds = {
  nats: natsGround,
  postgres: postgresGround,
  redis: redisGround,
  'redis-cluster': redisClusterGround,
} as const satisfies Readonly<Record<string, MakeGround>>;
