/** The Redis of consumer groups, one epoch of the journal at a time. */
import { GroupRedis } from './group-redis.ts';
import type { GroupStore } from './groups/port.ts';
import { HotJournal } from './hot-journal.ts';
import { PartitionReader } from './partition-reader.ts';
import type { Redis } from './redis.ts';

/** One epoch. */
export interface GroupHistory {
  /** Rejects while Redis is unavailable. */
  readonly redis: Pick<GroupRedis, 'beat' | 'join' | 'leave' | 'members' | 'alive' | 'take' | 'hold' | 'leases'>;
  readonly reader: Pick<PartitionReader, 'read' | 'end'>;
}

export interface GroupHistories {
  of(epoch: string): GroupHistory;
  /**
   * Calls back whenever Redis has reconnected, and may have lost its data.
   * @returns a function that unsubscribes
   */
  onReconnected(listener: () => void): () => void;
}

/** @param journal the groups' journal; default `main` */
export function historiesIn(redis: Redis, store: GroupStore, journal?: string): GroupHistories {
  return {
    of: (epoch) => ({
      redis: new GroupRedis(redis, epoch, journal),
      reader: new PartitionReader(new HotJournal(redis, epoch, journal), store),
    }),
    onReconnected: (listener) => {
      redis.on('ready', listener);
      return () => redis.off('ready', listener);
    },
  };
}
