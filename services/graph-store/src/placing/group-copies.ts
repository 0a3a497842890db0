/**
 * What Redis has of a tenant's groups, for a move: working copies of their positions, and the leases of their owners. The copies are ahead of
 * the positions in PostgreSQL by up to a second, and by more while no replica of graph-store is there to write those.
 */
import { once } from 'node:events';
import { setTimeout as after } from 'node:timers/promises';
import { GroupRedis } from '@polyedge/journal/group-redis';
import { GROUP_TIMES } from '@polyedge/journal/groups/settings';
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
  /**
   * After the decision: owners that do not know of it cannot renew their leases any more.
   * @returns whether there may be owners that still believe in them; undefined if Redis does not answer within a second
   */
  endLeases(): Promise<boolean | undefined>;
  /** Nothing of the groups is left in Redis, if that answers within a second. */
  remove(): Promise<void>;
}

type Source = Pick<Move, 'tenant' | 'source' | 'from' | 'redis'>;

/** Undefined if the run was not told of Redis, or if that does not answer within a second. */
export async function groupCopies({ tenant, source, from, redis }: Source): Promise<GroupCopies | undefined> {
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
    endLeases: async () => (await answered(Promise.all(groups.map((group) => ofSource.endLeases(group)))))?.includes(true),
    remove: async () => void (await answered(Promise.all(groups.map((group) => ofSource.remove(group))))),
  };
}

/**
 * Before what a tenant has left behind is deleted: returns when no edge delivers anything of its groups there any more. An owner that has not
 * heard of the move may go on until its lease ends, and would deliver what is deleted last without what is deleted first.
 */
export async function removeGroupCopies(source: Source): Promise<void> {
  if (source.redis === undefined) return;
  const copies = await groupCopies(source);
  if ((await copies?.endLeases()) === false) return;
  await after(GROUP_TIMES.termMs);
  await copies?.remove();
}

/** Undefined if Redis fails or takes too long. */
const answered = <T>(answer: Promise<T>): Promise<T | undefined> =>
  Promise.race([answer.catch(() => undefined), after(ANSWER_MS, undefined, { ref: false })]);
