/**
 * Positions of consumer groups. A position only moves forward, and only with a fence that is not older than the one in force: an owner that
 * was suspended changes nothing when it resumes.
 */
import {
  type GroupState,
  type groupClaim,
  type groupCommit,
  type groupDelete,
  type groupList,
  type groupOpen,
  type groupReset,
  INTERNAL_GROUPS,
  MAX_GROUPS,
} from '@polyedge/contracts/bus/groups';
import type { ReplyOf, RequestOf } from '@polyedge/contracts/channel';
import { done, failed, type Outcome } from '@polyedge/contracts/errors';
import type { Connection } from './connect.ts';
import type { Queries } from './pool.ts';
import { ELSEWHERE, enterTenant } from './tenants-elsewhere.ts';
import type { Transactions } from './transactions.ts';

export interface GroupLimits {
  /** A group without members is deleted after this time. */
  readonly idleMs: number;
  /** A group with a larger lag is deleted, even if it has members. Changes older than the group do not count. */
  readonly maxLag: number;
}

/** Counters for metrics. */
export interface GroupStats {
  created: number;
  expired: number;
  overLag: number;
}

/** A group that was deleted or reset: edges with members are notified. */
export interface Removed<Reply> {
  readonly name: string;
  readonly reply: Reply;
}

export class GroupPositions {
  readonly stats: GroupStats = { created: 0, expired: 0, overLag: 0 };
  readonly #sql: Queries;
  readonly #transactions: Transactions;
  readonly #partitions: number;
  readonly #limits: GroupLimits;

  constructor(sql: Queries, transactions: Transactions, partitions: number, limits: GroupLimits) {
    this.#sql = sql;
    this.#transactions = transactions;
    this.#partitions = partitions;
    this.#limits = limits;
  }

  /** One position for all partitions, read in the transaction that creates the group. */
  async open(
    tenant: string,
    { name, start, skip }: RequestOf<typeof groupOpen>,
    deadline: number,
  ): Promise<Outcome<ReplyOf<typeof groupOpen>>> {
    const partitions = this.#partitions;
    return await this.#transactions.transact(async (sql): Promise<Outcome<ReplyOf<typeof groupOpen>>> => {
      const refused = await enterTenant(sql, tenant);
      if (refused !== undefined) return refused;
      const now = await rangeOf(sql);
      const [counted] = await sql<{ count: number }[]>`select count(*) as count from consumer_group where tenant = ${tenant}`;
      const [made] = await sql<{ id: number }[]>`
        insert into consumer_group (tenant, name, began_at) values (${tenant}, ${name}, ${now.seq}) on conflict do nothing returning id`;
      if (made !== undefined) {
        // Concurrent callers may both pass: the limit protects against abuse and is not exact.
        if ((counted?.count ?? 0) >= MAX_GROUPS) {
          await sql`delete from consumer_group where id = ${made.id}`;
          return failed('limited', `there are ${MAX_GROUPS} groups already`);
        }
        await begin(sql, made.id, partitions, start === 'largest' ? now.seq : Math.max(0, now.oldest - 1));
        this.stats.created += 1;
        return done({ id: made.id, created: true, epoch: now.epoch, partitions });
      }
      const [known] = await sql<{ id: number }[]>`
        update consumer_group set touched_on = now() where tenant = ${tenant} and name = ${name} returning id`;
      if (known === undefined) return failed('unavailable', 'the group is being removed');
      if (skip === true) {
        await sql`update group_position set position = greatest(position, ${now.seq}) where consumer_group = ${known.id}`;
      }
      return done({ id: known.id, created: false, epoch: now.epoch, partitions });
    }, deadline);
  }

  async claim({ epoch, group, claims }: RequestOf<typeof groupClaim>, deadline: number): Promise<Outcome<ReplyOf<typeof groupClaim>>> {
    return await this.#transactions.transact(async (sql): Promise<Outcome<ReplyOf<typeof groupClaim>>> => {
      if (epochOf(await sql`select epoch from sequencer`) !== epoch) return failed('lost', 'another history has begun');
      const partitions = claims.map(({ partition }) => partition);
      const rows = await sql<{ partition: number; position: number; fence: number }[]>`
        select partition, position, fence from group_position where consumer_group = ${group} and partition in (select value::smallint from json_array_elements_text(${JSON.stringify(partitions)}::json))
        order by partition for update`;
      if (rows.length === 0) return failed('not-found', 'the group has expired');
      // After the locks that the decision of a move takes as well.
      const [left] = await sql`select from away a join consumer_group c on c.tenant = a.tenant where c.id = ${group} and a.until is null`;
      if (left !== undefined) return ELSEWHERE;
      const asked = new Map(claims.map(({ partition, fence }) => [partition, fence]));
      const answers = rows.map(({ partition, position, fence }) => {
        const wanted = asked.get(partition) ?? 0;
        return { partition, position, fence: Math.max(fence, wanted), taken: wanted > fence };
      });
      const taken = answers.filter((answer) => answer.taken);
      if (taken.length > 0) {
        await sql`
          update group_position g set fence = v.fence
          from json_to_recordset(${JSON.stringify(taken)}::json) as v(partition smallint, fence bigint)
          where g.consumer_group = ${group} and g.partition = v.partition`;
      }
      return done({ claims: answers });
    }, deadline);
  }

  async commit(
    { epoch, positions, touched }: RequestOf<typeof groupCommit>,
    deadline: number,
  ): Promise<Outcome<ReplyOf<typeof groupCommit>>> {
    const sql = this.#sql.before(deadline);
    if (epochOf(await sql`select epoch from sequencer`) !== epoch) return failed('lost', 'another history has begun');
    const moved =
      positions.length === 0
        ? []
        : await sql<{ group: number; partition: number }[]>`
            update group_position g set position = greatest(g.position, v.position), fence = v.fence
            from json_to_recordset(${JSON.stringify(positions)}::json) as v("group" bigint, partition smallint, fence bigint, position bigint)
            where g.consumer_group = v.group and g.partition = v.partition and g.fence <= v.fence
              and not exists (select from away a join consumer_group c on c.tenant = a.tenant where c.id = g.consumer_group and a.until is null)
            returning g.consumer_group as "group", g.partition`;
    const living =
      touched.length === 0
        ? []
        : await sql<{ id: number }[]>`
            update consumer_group set touched_on = now()
            where id in (select value::bigint from json_array_elements_text(${JSON.stringify(touched)}::json)) returning id`;
    const movedKeys = new Set(moved.map(({ group, partition }) => `${group}/${partition}`));
    const fenced = positions.filter(({ group, partition }) => !movedKeys.has(`${group}/${partition}`));
    const known = new Set([...moved.map(({ group }) => group), ...living.map(({ id }) => id)]);
    const unknown = [...new Set([...touched, ...fenced.map(({ group }) => group)])].filter((id) => !known.has(id));
    const found =
      unknown.length === 0
        ? []
        : await sql<{ id: number }[]>`
            select id from consumer_group where id in (select value::bigint from json_array_elements_text(${JSON.stringify(unknown)}::json))`;
    const foundIds = new Set(found.map(({ id }) => id));
    return done({
      fenced: fenced.map(({ group, partition }) => ({ group, partition })),
      gone: unknown.filter((id) => !foundIds.has(id)),
    });
  }

  /** Another group takes its name: confirmations of the old one have no effect any more. */
  async reset(
    tenant: string,
    { id, to }: RequestOf<typeof groupReset>,
    deadline: number,
  ): Promise<Outcome<Removed<ReplyOf<typeof groupReset>>>> {
    return await this.#transactions.transact(async (sql): Promise<Outcome<Removed<ReplyOf<typeof groupReset>>>> => {
      const removed = await removeFrom(sql, tenant, id);
      if (!removed.ok) return removed;
      const { name } = removed.value;
      const now = await rangeOf(sql);
      const [made] = await sql<{ id: number }[]>`
        insert into consumer_group (tenant, name, began_at) values (${tenant}, ${name}, ${now.seq}) returning id`;
      if (made === undefined) throw new Error('a group that was inserted has no id');
      const position = to === 'largest' ? now.seq : Math.max(0, now.oldest - 1);
      await begin(sql, made.id, this.#partitions, position);
      return done({ name, reply: { id: made.id, position } });
    }, deadline);
  }

  async remove(
    tenant: string,
    { id }: RequestOf<typeof groupDelete>,
    deadline: number,
  ): Promise<Outcome<Removed<ReplyOf<typeof groupDelete>>>> {
    return await this.#transactions.transact((sql) => removeFrom(sql, tenant, id), deadline);
  }

  async list(tenant: string, deadline: number): Promise<Outcome<ReplyOf<typeof groupList>>> {
    const rows = await this.#sql.before(deadline)<{ epoch: string; seq: number; groups: GroupState[] | null }[]>`
      select epoch, seq, (
        select json_agg(json_build_object(
          'id', c.id, 'name', c.name,
          'createdOn', floor(extract(epoch from c.created_on) * 1000)::bigint, 'touchedOn', floor(extract(epoch from c.touched_on) * 1000)::bigint,
          'positions', (select json_agg(json_build_object('partition', p.partition, 'position', p.position, 'fence', p.fence) order by p.partition)
                        from group_position p where p.consumer_group = c.id)
        ) order by c.name) from consumer_group c where c.tenant = ${tenant}
      ) as groups from sequencer where not exists (select from away a where a.tenant = ${tenant} and a.until is null)`;
    const [row] = rows;
    if (row === undefined) return ELSEWHERE;
    return done({ epoch: row.epoch, seq: row.seq, groups: row.groups ?? [] });
  }

  /** Deletes groups that clients have abandoned, and all that are too far behind. Returns their names, for the log. */
  async sweep(): Promise<{ readonly name: string; readonly why: 'idle' | 'lag' }[]> {
    const { idleMs, maxLag } = this.#limits;
    const idle = await this.#sql<{ name: string }[]>`
      delete from consumer_group
      where touched_on < now() - ${idleMs} * interval '1 millisecond' and not starts_with(name, ${INTERNAL_GROUPS}) returning name`;
    const behind = await this.#sql<{ name: string }[]>`
      delete from consumer_group where id in (
        select id from consumer_group c join group_position p on p.consumer_group = c.id cross join sequencer
        where greatest(p.position, c.began_at) < sequencer.seq - ${maxLag}
      ) returning name`;
    this.stats.expired += idle.length;
    this.stats.overLag += behind.length;
    return [...idle.map(({ name }) => ({ name, why: 'idle' as const })), ...behind.map(({ name }) => ({ name, why: 'lag' as const }))];
  }
}

/** The newest commit and the oldest change that was kept. */
async function rangeOf(sql: Connection): Promise<{ readonly epoch: string; readonly seq: number; readonly oldest: number }> {
  const [now] = await sql<{ epoch: string; seq: number; oldest: number }[]>`
    select epoch, seq, coalesce((select seq from journal order by seq limit 1), seq + 1) as oldest from sequencer`;
  if (now === undefined) throw new Error('the sequencer has no row');
  return now;
}

async function begin(sql: Connection, group: number, partitions: number, position: number): Promise<void> {
  await sql`
    insert into group_position (consumer_group, partition, position)
    select ${group}, partition, ${position} from generate_series(0, ${partitions - 1}) partition`;
}

async function removeFrom(sql: Connection, tenant: string, id: number): Promise<Outcome<Removed<ReplyOf<typeof groupDelete>>>> {
  const refused = await enterTenant(sql, tenant);
  if (refused !== undefined) return refused;
  const [found] = await sql<{ name: string }[]>`select name from consumer_group where tenant = ${tenant} and id = ${id} for update`;
  if (found === undefined) return failed('not-found', 'there is no such group any more');
  if (found.name.startsWith(INTERNAL_GROUPS)) return failed('not-allowed', 'the group belongs to a service');
  await sql`delete from consumer_group where id = ${id}`;
  return done({ name: found.name, reply: {} });
}

const epochOf = (rows: readonly { readonly epoch?: string }[]): string | undefined => rows[0]?.epoch;
