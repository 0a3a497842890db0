/**
 * What Redis has of a tenant's groups, for a move: working copies of their positions, and the leases of their owners. The copies are ahead of
 * the positions in PostgreSQL by up to a second, and by more while no replica of graph-store is there to write those.
 */
import { once } from 'node:events';
import { setTimeout as after } from 'node:timers/promises';
import { GroupRedis } from '@polyedge/journal/group-redis';
import { type Move, only } from './parties.ts';

/** Part of the time in which writes are refused. */
const ANSWER_MS = 1000;

interface GroupCopy {
  readonly group: number;
  readonly partition: number;
  readonly position: number;
}

export interface GroupCopies {
  readonly positions: readonly GroupCopy[];
  /** After the decision: owners that do not know of it deliver nothing more. Redis that does not answer within a second is left alone. */
  endLeases(): Promise<void>;
}

/** Undefined if the run was not told of Redis, or if that does not answer within a second. */
export async function groupCopies({ tenant, source, from, redis }: Move): Promise<GroupCopies | undefined> {
  if (redis === undefined) return undefined;
  const { epoch, partitions, groups } = only(
    await from.run(
      (sql) => sql<{ epoch: string; partitions: number; groups: number[] }[]>`
        select epoch, partitions, (select coalesce(json_agg(id), '[]') from consumer_group where tenant = ${tenant}) as groups
        from sequencer, journal_identity`,
    ),
  );
  const ofSource = new GroupRedis(redis, epoch, source);
  const read = async (): Promise<readonly GroupCopy[]> => {
    if (redis.status !== 'ready') await once(redis, 'ready', { signal: AbortSignal.timeout(ANSWER_MS) });
    const found = await Promise.all(groups.map((group) => ofSource.positions(group, partitions)));
    return groups.flatMap((group, at) => [...(found[at] ?? [])].map(([partition, position]) => ({ group, partition, position })));
  };
  const positions = await answered(read());
  if (positions === undefined) return undefined;
  return {
    positions,
    endLeases: async () => {
      await answered(Promise.all(groups.map((group) => ofSource.remove(group))));
    },
  };
}

/** Undefined if Redis fails or takes too long. */
const answered = <T>(answer: Promise<T>): Promise<T | undefined> =>
  Promise.race([answer.catch(() => undefined), after(ANSWER_MS, undefined, { ref: false })]);
