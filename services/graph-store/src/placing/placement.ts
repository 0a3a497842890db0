/** A tenant's journal in the directory. */
import { MAIN } from '@polyedge/contracts/journal';
import type { Statements } from '../postgres/connect.ts';

/** The journal where a tenant is. */
export async function journalOf(directory: Statements, tenant: string): Promise<string> {
  const [row] = await directory<{ journal: string }[]>`select journal from placement where tenant = ${tenant}`;
  return row?.journal ?? MAIN;
}

/** Updates the directory. Nothing is changed if the tenant is neither in the old nor in the new journal. */
export async function setPlacement(transaction: Statements, tenant: string, source: string, target: string): Promise<void> {
  await transaction`update placement_version set version = version + 1`;
  if (![source, target].includes(await journalOf(transaction, tenant))) return;
  if (target === MAIN) await transaction`delete from placement where tenant = ${tenant}`;
  else
    await transaction`
      insert into placement (tenant, journal) values (${tenant}, ${target}) on conflict (tenant) do update set journal = excluded.journal`;
}
