/**
 * The end of a move. The source fences the tenant for seconds; when the rest is copied, one transaction in the source decides the move, and
 * any process that finds the decision updates the directory. Before the decision the fence expires by itself; after it, the move cannot be
 * undone.
 */
import type { Connection } from '../postgres/connect.ts';
import { LOCK } from '../postgres/locks.ts';
import type { Transactions } from '../postgres/transactions.ts';
import { superseded } from './arrival.ts';
import { newest } from './copy-series.ts';
import type { GroupCopies } from './group-copies.ts';
import { type Move, only } from './parties.ts';
import { setPlacement } from './placement.ts';

/** How long all writers of the source may wait for the running batches to end. */
const QUIET_MS = 1000;
/** A run that is suspended between its statements delays the end of its fence by at most this. */
const STANDING_MS = 500;

/**
 * From now on the source accepts no writes of the tenant.
 * @returns its newest change and value
 */
export async function fence({ tenant, target, from, run, fenceMs }: Move): Promise<{ readonly seq: number; readonly written: number }> {
  return await from.transact(async (sql) => {
    await sql.unsafe(`set local lock_timeout = ${QUIET_MS}; set local idle_in_transaction_session_timeout = ${STANDING_MS}`);
    await sql`select pg_advisory_xact_lock(${LOCK.batch})`;
    await sql`
      insert into away (tenant, journal, until, mover) values (${tenant}, ${target}, clock_timestamp() + ${fenceMs} * interval '1 millisecond', ${run})
      on conflict (tenant) do update set journal = excluded.journal, until = excluded.until, mover = excluded.mover`;
    const { seq } = only(await sql<{ seq: number }[]>`select seq from sequencer`);
    return { seq, written: await newest(sql) };
  });
}

/** The source accepts writes of the tenant again, unless the move was decided. */
export async function liftFence({ tenant, from, run }: Move): Promise<void> {
  await from.run((sql) => sql`delete from away where tenant = ${tenant} and mover = ${run} and until is not null`);
}

/**
 * Decides the move: the tenant now belongs to the target. Nothing of it is written meanwhile: batches are blocked by the fence, positions
 * of groups by the locks of this transaction, which are released after the positions are in the target. As whoever takes over a partition,
 * the target continues from the further one of the position and its working copy.
 * @returns false: the fence has expired, and nothing was decided
 */
export async function decide(move: Move, copied: number, copies: GroupCopies['positions']): Promise<boolean> {
  const { tenant, from, to, run } = move;
  return await from.transact(async (sql) => {
    await sql.unsafe(`set local idle_in_transaction_session_timeout = ${STANDING_MS}`);
    const fenced = await sql`update away set until = null where tenant = ${tenant} and mover = ${run} and until is not null`;
    if (fenced.count !== 1) return false;
    const departs = await sql`update departure set decided_by = ${run} where tenant = ${tenant} and decided_by is null`;
    if (departs.count !== 1) throw superseded(tenant);
    // An owner that confirms something now waits for these rows, and then finds its fence outdated.
    const { groups } = only(
      await sql<{ groups: string }[]>`
        with copied as materialized (
          select * from json_to_recordset(${JSON.stringify(copies)}::text::json) as c("group" bigint, partition smallint, position bigint)),
        p as (
          update group_position g set fence = fence + 1, position = greatest(position, (
            select c.position from copied c where c."group" = g.consumer_group and c.partition = g.partition))
          where consumer_group in (select id from consumer_group where tenant = ${tenant})
          returning consumer_group, partition, position)
        select coalesce(json_agg(json_build_object('name', c.name, 'created_on', c.created_on, 'partitions', (select partitions from journal_identity),
          'positions', (select json_agg(json_build_object('partition', p.partition, 'position', p.position)) from p where p.consumer_group = c.id))), '[]')::text as groups
        from consumer_group c where tenant = ${tenant}`,
    );
    await to.transact((target) => takeGroups(target, move, groups, copied));
    return true;
  });
}

/** Translates positions: a position in the source becomes that of the tenant's last change before it. */
async function takeGroups(sql: Connection, { tenant, run }: Move, groups: string, copied: number): Promise<void> {
  await sql.unsafe(`set local idle_in_transaction_session_timeout = ${STANDING_MS}`);
  const { count } = await sql`update arrival set complete = true where tenant = ${tenant} and mover = ${run} and copied >= ${copied}`;
  if (count !== 1) throw superseded(tenant);
  await sql`delete from consumer_group where tenant = ${tenant}`;
  await sql`
    with g as materialized (
      select * from json_to_recordset(${groups}::text::json) as g(name text, created_on timestamptz, partitions integer, positions json)),
    made as (
      insert into consumer_group (tenant, name, created_on, began_at)
      select ${tenant}, name, created_on, seq from g cross join sequencer returning id, name)
    insert into group_position (consumer_group, partition, position)
    select made.id, slot % i.partitions, min(coalesce(
      (select s.now from arrival_seq s where s.tenant = ${tenant} and s.was <= (p ->> 'position')::bigint order by s.was desc limit 1), a.floor))
    from made join g on g.name = made.name collate "C" cross join journal_identity i cross join json_array_elements(g.positions) p
    cross join generate_series(0, 255) slot join arrival a on a.tenant = ${tenant}
    where slot % g.partitions = (p ->> 'partition')::integer
    group by made.id, slot % i.partitions`;
}

export interface Switch {
  readonly tenant: string;
  readonly source: string;
  readonly target: string;
  /** The run of the arrival. */
  readonly run: string;
  readonly from: Pick<Transactions, 'run'>;
  readonly to: Pick<Transactions, 'transact'>;
  readonly directory: Pick<Transactions, 'transact'>;
}

/**
 * Carries out a decision: the target serves the tenant, and the directory is updated. Any number of processes may do so, repeatedly.
 * @returns false: not decided, or already done
 */
export async function carryOut({ tenant, source, target, run, from, to, directory }: Switch): Promise<boolean> {
  const decided = await from.run(
    (sql) => sql`select from away join departure using (tenant) where tenant = ${tenant} and decided_by = ${run} and until is null`,
  );
  if (decided.length === 0) return false;
  return await to.transact(async (sql) => {
    await sql.unsafe(`set local idle_in_transaction_session_timeout = ${STANDING_MS}`);
    const arrived = await sql`delete from arrival where tenant = ${tenant} and mover = ${run} and complete`;
    if (arrived.count !== 1) return false;
    await sql`delete from away where tenant = ${tenant}`;
    await directory.transact((main) => setPlacement(main, tenant, source, target));
    return true;
  });
}
