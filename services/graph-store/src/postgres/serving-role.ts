/** The rights of the role that serves: rows, never tables. */
import type { Statements } from './connect.ts';

/** What is not written after it has been made, besides what PostgreSQL itself keeps apart. */
const APPEND_ONLY = ['journal', 'operation', 'chunk'];
/** What only the owner writes. */
const READ_ONLY = ['migration'];

/**
 * Gives a role what serving needs: it reads everything, writes rows, and cannot change a table, a function, or a line of the journal. To be
 * called by the owner of the tables after every migration; doing so again changes nothing.
 * @param transaction that the caller has begun, and ends.
 * @param role must exist; it is the user of `DATABASE_URL`.
 */
export async function grantServing(transaction: Statements, role: string): Promise<void> {
  const to = transaction(role);
  await transaction`grant usage on schema public to ${to}`;
  await transaction`grant execute on function keep_partitions, drop_old_journal to ${to}`;
  await transaction`grant usage on all sequences in schema public to ${to}`;
  // Partitions are reached through the table they belong to.
  const tables = await transaction<{ name: string }[]>`
    select relname as name from pg_class
    where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition`;
  for (const { name } of tables) {
    const table = transaction(name);
    await transaction`revoke all on table ${table} from ${to}`;
    if (READ_ONLY.includes(name)) await transaction`grant select on table ${table} to ${to}`;
    else if (APPEND_ONLY.includes(name)) await transaction`grant select, insert on table ${table} to ${to}`;
    else await transaction`grant select, insert, update, delete on table ${table} to ${to}`;
  }
}
