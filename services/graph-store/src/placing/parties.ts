/** Who takes part in the move of one tenant. */
import { MAIN } from '@polyedge/contracts/journal';
import type { Connection } from '../postgres/connect.ts';
import type { Transactions } from '../postgres/transactions.ts';

/** Why something was not done, in a sentence for the operator. */
export class CannotPlace extends Error {}

/** Another run of the move has taken over: this one must stop. */
export class TakenOver extends CannotPlace {}

/** It has to be begun again, and then goes on. */
export class BeginAgain extends Error {}

/** Tenants that stay in `main`: accounts are there, and the first start makes the organization `default` there. */
const FIXED = ['system', 'default'];

export function mustBeMovable(tenant: string): void {
  if (tenant === '' || FIXED.includes(tenant)) throw new CannotPlace(`the tenant "${tenant}" stays in the journal ${MAIN}`);
}

/** One run of the move of one tenant, with connections to the databases as their owners. */
export interface Move {
  readonly tenant: string;
  readonly source: string;
  readonly target: string;
  readonly from: Transactions;
  readonly to: Transactions;
  /** The database of `main`. */
  readonly directory: Transactions;
  /** Names this run: what it changes is changed only as long as no other has taken over. */
  readonly run: string;
  /** How long writes may be refused before the decision. A replica ends that within half a second after it. */
  readonly fenceMs: number;
}

/** Columns of a table that are written, in their order. A move copies those that both sides have, which are all of them in one version. */
export async function columnsOf(connection: Connection, table: string): Promise<readonly string[]> {
  const rows = await connection<{ name: string }[]>`
    select attname::text as name from pg_attribute
    where attrelid = ${table}::regclass and attnum > 0 and not attisdropped and attgenerated = '' and attidentity = '' order by attnum`;
  return rows.map(({ name }) => name);
}

/** One row of an answer that always has one. */
export function only<Row>(rows: readonly Row[]): Row {
  const [row] = rows;
  if (row === undefined) throw new Error('the database answered no row');
  return row;
}
