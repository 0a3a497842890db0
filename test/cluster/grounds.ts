/** Clusters under the clients of the kill test: several servers of one kind, what breaks among them, and how long nobody's write is answered then. */
import type { Ground } from '../kill/rounds.ts';
import { natsGround } from './nats.ts';
import { postgresGround } from './postgres.ts';
import { redisGround } from './redis.ts';

export const grounds: Readonly<Record<'nats' | 'postgres' | 'redis', (told: (what: string, withoutMs: number) => void) => Ground>> = {
  nats: natsGround,
  postgres: postgresGround,
  redis: redisGround,
};
