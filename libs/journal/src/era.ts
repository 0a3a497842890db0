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

/** A group as the store knows it: it has another id after it expired and came back. */
export interface Opened {
  readonly id: number;
  readonly era: Era;
  readonly partitions: number;
}
