/** The directory's table of tenants that were moved out of `main`. */
import type { Placements } from '@polyedge/contracts/bus/accounts';
import type { Queries } from './pool.ts';

export async function readPlacements(sql: Queries): Promise<Placements> {
  const [row] = await sql<Placements[]>`
    select version, coalesce((select json_agg(json_build_object('tenant', tenant, 'journal', journal, 'since', since) order by tenant) from placement), '[]') as placements
    from placement_version`;
  if (row === undefined) throw new Error('the placements have no version');
  return row;
}

export async function placementsVersion(sql: Queries): Promise<number> {
  const [row] = await sql<{ version: number }[]>`select version from placement_version`;
  return row?.version ?? 0;
}
