/**
 * Places a tenant that has no data yet. The order of the steps makes it safe to interrupt and repeat: the old journal refuses the tenant,
 * the new one accepts it, the directory is updated. In between, all journals refuse it for a moment.
 */
import { MAIN } from '@polyedge/contracts/journal';
import type { Journals, Transactions } from '../postgres/transactions.ts';
import { hasData, sendAway, takeBack } from './fence.ts';
import { CannotPlace, mustBeMovable } from './parties.ts';
import { journalOf, setPlacement } from './placement.ts';

/** Throws `CannotPlace` if the tenant has data, or must stay in `main`. */
export async function placeTenant(journals: Journals, tenant: string, target: string): Promise<'placed' | 'was there'> {
  const { directory, from, to, source } = await partiesOf(journals, tenant, target);
  if (source === target) {
    await takeBack(to, tenant);
    return 'was there';
  }
  if (await to.run((sql) => hasData(sql, tenant))) throw new CannotPlace(`the journal ${target} has data of a tenant ${tenant}`);
  const isEmpty = await sendAway(from, tenant, target, async (sql) => !(await hasData(sql, tenant)));
  if (!isEmpty)
    throw new CannotPlace(
      `the tenant ${tenant} has data in the journal ${source}: one with data is moved, with "tenants move ${tenant} --to ${target}"`,
    );
  await takeBack(to, tenant);
  await directory.transact((sql) => setPlacement(sql, tenant, source, target));
  return 'placed';
}

async function partiesOf(
  journals: Journals,
  tenant: string,
  target: string,
): Promise<{ readonly directory: Transactions; readonly source: string; readonly from: Transactions; readonly to: Transactions }> {
  mustBeMovable(tenant);
  const directory = of(journals, MAIN);
  const to = of(journals, target);
  const source = await directory.run((sql) => journalOf(sql, tenant));
  return { directory, source, from: of(journals, source), to };
}

function of(journals: Journals, name: string): Transactions {
  const journal = journals.get(name);
  if (journal === undefined) throw new CannotPlace(`there is no journal ${name}; there are ${[...journals.keys()].join(', ')}`);
  return journal;
}

export interface TenantView {
  readonly tenant: string;
  readonly journal: string;
  readonly elements: number;
  /** A move in progress: the copied fraction of its source. */
  readonly moving?: { readonly to: string; readonly part: number };
  /** Journals that still have data of it, which the move will delete. */
  readonly leftIn?: readonly string[];
}

/** Every tenant that has elements or is placed, with its journal and number of elements. */
export async function listTenants(journals: Journals): Promise<readonly TenantView[]> {
  const directory = of(journals, MAIN);
  const placed = new Map(
    (await directory.run((sql) => sql<{ tenant: string; journal: string }[]>`select tenant, journal from placement`)).map(
      ({ tenant, journal }) => [tenant, journal],
    ),
  );
  const found = new Map<string, TenantView>([...placed].map(([tenant, journal]) => [tenant, { tenant, journal, elements: 0 }]));
  const heads = new Map<string, number>();
  for (const [journal, database] of journals) {
    const counted = await database.run(
      (sql) => sql<{ tenant: string; count: number }[]>`
        select tenant, count(*) as count from element where not deleted and tenant <> 'system' group by tenant`,
    );
    for (const { tenant, count } of counted) {
      if ((placed.get(tenant) ?? MAIN) === journal) found.set(tenant, { tenant, journal, elements: count });
    }
    const [head] = await database.run((sql) => sql<{ seq: number }[]>`select seq from sequencer`);
    heads.set(journal, head?.seq ?? 0);
  }
  for (const [journal, database] of journals) {
    const change = (tenant: string, what: Partial<TenantView>): void => {
      const view = found.get(tenant);
      if (view !== undefined) found.set(tenant, { ...view, ...what });
    };
    const arrivals = await database.run(
      (sql) => sql<{ tenant: string; source: string; copied: number }[]>`select tenant, source, copied from arrival`,
    );
    for (const { tenant, source, copied } of arrivals)
      change(tenant, { moving: { to: journal, part: copied / Math.max(copied, heads.get(source) ?? 0, 1) } });
    const departed = await database.run((sql) => sql<{ tenant: string }[]>`select tenant from departure where decided_by is not null`);
    for (const { tenant } of departed) change(tenant, { leftIn: [...(found.get(tenant)?.leftIn ?? []), journal] });
  }
  return [...found.values()].sort((one, other) => (one.tenant < other.tenant ? -1 : 1));
}
