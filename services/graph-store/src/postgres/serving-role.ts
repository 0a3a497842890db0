/** The rights of the serving role: to rows, never to tables. */
import type { Statements } from './connect.ts';

/** Tables whose rows are never updated. */
const APPEND_ONLY = ['journal', 'operation', 'chunk'];
/** Tables that only the owner writes. */
const READ_ONLY = ['migration'];

/**
 * Grants a role what serving needs: it reads everything, writes rows, and cannot change a table, a function, or a row of the journal. Call
 * it as the owner of the tables after every migration; it is idempotent.
 * @param transaction begun and ended by the caller
 * @param role must exist; it is the user of `DATABASE_URL`
 */
export async function grantServing(transaction: Statements, role: string): Promise<void> {
  const to = transaction(role);
  await transaction`grant usage on schema public to ${to}`;
  await transaction`grant execute on function keep_partitions, drop_old_journal to ${to}`;
  await transaction`grant usage on all sequences in schema public to ${to}`;
  // Partitions are accessed through their table.
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
