/** Which tenants a journal serves, changed from outside the processes that serve it. */
import type { Sql } from '../postgres/connect.ts';
import { LOCK } from '../postgres/locks.ts';

/** Rows of a tenant that an empty one does not have. */
const DATA = ['element', 'journal', 'consumer_group', 'content', 'series_value'] as const;

/** How many rows a tenant has in a journal, at most one of each table. */
export async function hasData(sql: Pick<Sql, 'unsafe'>, tenant: string): Promise<boolean> {
  for (const table of DATA) {
    const [row] = await sql.unsafe(`select 1 from ${table} where tenant = $1 limit 1`, [tenant]);
    if (row !== undefined) return true;
  }
  return false;
}

/**
 * From now on the journal refuses the tenant and says that it is in another one. Waits until no batch is under way, so whatever was written before is
 * seen by `when`, and nothing is written after it.
 * @param when looked at with no batch under way; false: nothing is changed
 */
export async function sendAway(
  sql: Sql,
  tenant: string,
  journal: string,
  when: (sql: Pick<Sql, 'unsafe'>) => Promise<boolean>,
): Promise<boolean> {
  return await sql.begin(async (transaction) => {
    await transaction`select pg_advisory_xact_lock(${LOCK.batch})`;
    if (!(await when(transaction))) return false;
    await transaction`insert into away (tenant, journal) values (${tenant}, ${journal}) on conflict (tenant) do update set journal = excluded.journal`;
    return true;
  });
}

/** The journal serves the tenant again. */
export async function takeBack(sql: Sql, tenant: string): Promise<void> {
  await sql`delete from away where tenant = ${tenant}`;
}
