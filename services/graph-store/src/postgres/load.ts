/** Locks and loads the rows of a batch in fixed phases, so that batches wait for each other in one direction only. */
import { SYSTEM_TENANT } from '@polyedge/contracts/element';
import type { Filter } from '@polyedge/query/filter';
import { ACCOUNT_TYPE, accountVertex } from '../core/account-vertex.ts';
import { compileFilter } from '../core/filter-sql.ts';
import { isEdgeId, type RowPlan } from '../core/plan.ts';
import { SqlParameters } from '../core/sql-parameters.ts';
import { joinKey, splitKey } from '../core/unique.ts';
import type { TenantRows } from '../core/world.ts';
import type { Issuer } from './pipeline.ts';
import { ELEMENT_COLUMNS, type ElementRow, toElement } from './rows.ts';

/** What the requests of one tenant in a batch need. */
export interface RowsToLoad {
  readonly vertices: Set<string>;
  readonly shared: Set<string>;
  readonly edges: Set<string>;
  readonly adjacency: Set<string>;
  readonly uniqueKeys: Set<string>;
  readonly accounts: Set<string>;
  readonly contents: Set<string>;
}

export const noRowsToLoad = (): RowsToLoad => ({
  vertices: new Set(),
  shared: new Set(),
  edges: new Set(),
  adjacency: new Set(),
  uniqueKeys: new Set(),
  accounts: new Set(),
  contents: new Set(),
});

export function addPlan(wanted: RowsToLoad, plan: Omit<RowPlan, 'criteria'>): void {
  for (const name of ['vertices', 'shared', 'edges', 'adjacency', 'uniqueKeys', 'accounts', 'contents'] as const) {
    for (const value of plan[name]) wanted[name].add(value);
  }
}

/** Adds ids of vertices and edges. */
export function addIds(wanted: RowsToLoad, ids: readonly string[]): void {
  for (const id of ids) (isEdgeId(id) ? wanted.edges : wanted.vertices).add(id);
}

interface StoredRow extends ElementRow {
  readonly unique_names: string[];
}

const COLUMNS = `${ELEMENT_COLUMNS.split(', ')
  .map((column) => `e.${column}`)
  .join(', ')}, array_to_json(e.unique_names) as unique_names`;

/** Ids of the living elements that a filter selects, at most `limit`; they are not locked and may no longer match when they are. */
export async function findIds(issuer: Issuer, tenant: string, filter: Filter, limit: number): Promise<string[]> {
  const parameters = new SqlParameters();
  const text = `select id from element where tenant = ${parameters.text(tenant)} and not deleted and scope <> 'system'
    and (${compileFilter(filter, parameters)}) order by id limit ${parameters.integer(limit)}`;
  const rows = await issuer.rows<{ id: string }>(text, parameters.values, true);
  return rows.map(({ id }) => id);
}

const lockedRow = (mode: string, where: string): string =>
  `(select ${COLUMNS} from element e where e.tenant = $1 and e.id = w.id ${where} for ${mode} of e)`;

// Each statement locks and reads: a row read by a later statement than the one that locks might have been created in between, unlocked.
/** Locks vertices in the order of their ids and reads them. */
const LOCK_FOR_WRITE = `
  select e.* from (select value collate "C" as id from json_array_elements_text($2::json) order by 1) w
  cross join lateral ${lockedRow('update', '')} e`;
/** The same, each with its own lock mode, in one pass (ADR 6). */
const LOCK_IN_MODES = `
  select e.* from (select id collate "C" as id, write from json_to_recordset($2::json) as w(id text, write boolean) order by 1) w
  cross join lateral (
    select * from ${lockedRow('update', 'and w.write')} a union all select * from ${lockedRow('share', 'and not w.write')} b) e`;

/**
 * Locks and loads all wanted rows into `rows`. The statements are issued without waiting for each other, so they cost one round trip; each
 * sees what was committed before its own locks were granted.
 */
export async function loadRows(issuer: Issuer, tenant: string, rows: TenantRows, wanted: RowsToLoad): Promise<Set<string>> {
  const { vertices, shared, edges, adjacency, uniqueKeys, accounts, contents } = wanted;
  const ids = [...new Set([...vertices, ...shared])].filter((id) => !rows.rows.has(id));
  const work: Promise<unknown>[] = [];
  const json = (values: Iterable<unknown>): string => JSON.stringify([...values]);

  if (ids.length > 0) {
    const onlyWrites = ids.every((id) => vertices.has(id));
    work.push(
      issuer
        .rows<StoredRow>(onlyWrites ? LOCK_FOR_WRITE : LOCK_IN_MODES, [
          tenant,
          json(onlyWrites ? ids : ids.map((id) => ({ id, write: vertices.has(id) }))),
        ])
        .then((found) => {
          addRows(rows, found);
          for (const id of ids) rows.load(id, undefined);
        }),
    );
  }
  const edgeIds = [...edges].filter((id) => !rows.rows.has(id));
  const cascading = [...adjacency].filter((id) => !rows.adjacency.has(id));
  if (edgeIds.length > 0 || cascading.length > 0) {
    work.push(
      issuer
        .rows<StoredRow>(
          `select e.* from (select value collate "C" as id from json_array_elements_text($2::json)
             union select a.id from json_array_elements_text($3::json) v(id) cross join lateral (
               select o.id from element o where o.tenant = $1 and o.kind = 'edge' and not o.deleted and o.out_id = v.id
               union all select i.id from element i where i.tenant = $1 and i.kind = 'edge' and not i.deleted and i.in_id = v.id offset 0) a
             order by 1) w
           cross join lateral (select ${COLUMNS} from element e where e.tenant = $1 and e.id = w.id for update of e) e`,
          [tenant, json(edgeIds), json(cascading)],
        )
        .then((found) => {
          addRows(rows, found);
          for (const id of edgeIds) rows.load(id, undefined);
          const byVertex = new Map<string, string[]>(cascading.map((id) => [id, []]));
          for (const { id, out_id, in_id, deleted } of found) {
            if (deleted) continue;
            byVertex.get(out_id ?? '')?.push(id);
            if (in_id !== out_id) byVertex.get(in_id ?? '')?.push(id);
          }
          for (const [vertex, list] of byVertex) rows.loadAdjacency(vertex, list);
        }),
    );
  }
  const keys = [...uniqueKeys].filter((key) => !rows.owners.has(key));
  if (keys.length > 0) {
    work.push(
      issuer
        .rows<{ name: string; value: string; element: string }>(
          `select k.name, k.value, k.element from json_to_recordset($2::json) as w(name text collate "C", value text collate "C")
           cross join lateral (select * from unique_key k where k.tenant = $1 and k.name = w.name and k.value = w.value offset 0) k`,
          [tenant, json(keys.map(splitKey))],
        )
        .then((found) => {
          for (const { name, value, element } of found) rows.loadOwner(joinKey({ name, value }), element);
          for (const key of keys) rows.loadOwner(key, undefined);
        }),
    );
  }
  if (accounts.size > 0) {
    work.push(
      issuer
        .rows<ElementRow>(
          `select e.* from json_array_elements_text($2::json) as w(id) cross join lateral (
             select ${ELEMENT_COLUMNS} from element where tenant = '${SYSTEM_TENANT}' and id = w.id and type = '${ACCOUNT_TYPE}'
               and not deleted and attributes ->> 'tenant' = $1 offset 0) e`,
          [tenant, json(accounts)],
        )
        .then((found) => {
          for (const row of found) rows.accounts.set(row.id, accountVertex(toElement(row)));
        }),
    );
  }
  const complete = new Set<string>();
  if (contents.size > 0) {
    work.push(
      issuer
        .rows<{ id: string }>(
          `update content set touched_on = now() where tenant = $1 and complete
             and id in (select value collate "C" from json_array_elements_text($2::json)) returning id`,
          [tenant, json(contents)],
        )
        .then((found) => {
          for (const { id } of found) complete.add(id);
        }),
    );
  }
  await settleAll(work);
  return complete;
}

function addRows(rows: TenantRows, found: readonly StoredRow[]): void {
  for (const row of found) rows.load(row.id, { element: toElement(row), uniqueNames: row.unique_names });
}

/** Waits for all, then throws the first failure, so that no statement of a batch is in progress when it is rolled back. */
export async function settleAll(work: readonly Promise<unknown>[]): Promise<void> {
  for (const result of await Promise.allSettled(work)) {
    if (result.status === 'rejected') throw result.reason;
  }
}
