/** A tenant's journal in the directory. */
import { MAIN } from '@polyedge/contracts/journal';
import type { Statements } from '../postgres/connect.ts';

/** The journal where a tenant is. */
export async function journalOf(directory: Statements, tenant: string): Promise<string> {
  const [row] = await directory<{ journal: string }[]>`select journal from placement where tenant = ${tenant}`;
  return row?.journal ?? MAIN;
}

/** Updates the directory. Nothing is changed if the tenant is already in the new journal, or in neither of them. */
export async function setPlacement(transaction: Statements, tenant: string, source: string, target: string): Promise<void> {
  await transaction`update placement_version set version = version + 1`;
  if ((await journalOf(transaction, tenant)) !== source) return;
  await transaction`
    insert into placement (tenant, journal, since) select ${tenant}, ${target}, version from placement_version
    on conflict (tenant) do update set journal = excluded.journal, since = excluded.since`;
}
