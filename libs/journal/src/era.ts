import type { GroupRedis } from './group-redis.ts';
import type { PartitionReader } from './partition-reader.ts';
import type { Tails } from './tails.ts';

/** Everything that belongs to one history of the journal. Another epoch means another one of these. */
export interface Era {
  readonly epoch: string;
  readonly redis: GroupRedis;
  readonly reader: PartitionReader;
  readonly tails: Tails;
}
