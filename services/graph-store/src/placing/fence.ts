/** The tenants that a journal serves, changed by commands outside of its processes. */
import type { Connection } from '../postgres/connect.ts';
import { LOCK } from '../postgres/locks.ts';
import type { Transactions } from '../postgres/transactions.ts';

/** Tables with data of a tenant; all are empty for a new tenant. */
const DATA = ['element', 'journal', 'consumer_group', 'content', 'series_value'] as const;

/** Whether any of these tables has a row of a tenant. */
export async function hasData(sql: Pick<Connection, 'unsafe'>, tenant: string): Promise<boolean> {
  for (const table of DATA) {
    const [row] = await sql.unsafe(`select 1 from ${table} where tenant = $1 limit 1`, [tenant]);
    if (row !== undefined) return true;
  }
  return false;
}

/**
 * From now on the journal refuses the tenant and reports that it is in another one. Waits until no batch is running, so `when` sees all
 * earlier writes, and there are none afterwards.
 * @param when called while no batch is running; false: nothing is changed
 */
export async function sendAway(
  from: Transactions,
  tenant: string,
  journal: string,
  when: (sql: Connection) => Promise<boolean>,
): Promise<boolean> {
  return await from.transact(async (sql) => {
    await sql`select pg_advisory_xact_lock(${LOCK.batch})`;
    if (!(await when(sql))) return false;
    await sql`insert into away (tenant, journal) values (${tenant}, ${journal}) on conflict (tenant) do update set journal = excluded.journal`;
    return true;
  });
}

/** The journal serves the tenant again. */
export async function takeBack(to: Transactions, tenant: string): Promise<void> {
  await to.run((sql) => sql`delete from away where tenant = ${tenant}`);
}
