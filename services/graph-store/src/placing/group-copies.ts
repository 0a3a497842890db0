/**
 * The working copies of group positions in Redis, for the decision of a move. They are ahead of the positions in PostgreSQL by up to a
 * second, and by more while no replica of graph-store is there to write those.
 */
import { once } from 'node:events';
import { setTimeout as after } from 'node:timers/promises';
import { GroupRedis } from '@polyedge/journal/group-redis';
import { type Move, only } from './parties.ts';

/** Part of the time in which writes are refused. */
const READ_MS = 1000;

export interface GroupCopy {
  readonly group: number;
  readonly partition: number;
  readonly position: number;
}

/** The copies of the tenant's groups; undefined if the run was not told of Redis, or if that does not answer within a second. */
export async function groupCopies({ tenant, source, from, redis }: Move): Promise<readonly GroupCopy[] | undefined> {
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
    if (redis.status !== 'ready') await once(redis, 'ready', { signal: AbortSignal.timeout(READ_MS) });
    const found = await Promise.all(groups.map((group) => ofSource.positions(group, partitions)));
    return groups.flatMap((group, at) => [...(found[at] ?? [])].map(([partition, position]) => ({ group, partition, position })));
  };
  return await Promise.race([read().catch(() => undefined), after(READ_MS, undefined, { ref: false })]);
}
