/** The participants of a tenant's move. */
import { MAIN } from '@polyedge/contracts/journal';
import type { Redis } from '@polyedge/journal/redis';
import type { Connection } from '../postgres/connect.ts';
import type { Transactions } from '../postgres/transactions.ts';

/** Why a command was not carried out, in a sentence for the operator. */
export class CannotPlace extends Error {}

/** Another run of the move has taken over: this one must stop. */
export class Superseded extends CannotPlace {}

/** The move must be restarted, and then resumes. */
export class RestartMove extends Error {}

/** Tenants that stay in `main`: accounts are stored there, and the first start creates the organization `default` there. */
const FIXED = ['system', 'default'];

export function mustBeMovable(tenant: string): void {
  if (tenant === '' || FIXED.includes(tenant)) throw new CannotPlace(`the tenant "${tenant}" stays in the journal ${MAIN}`);
}

/** One run of a tenant's move, with connections to the databases as their owners. */
export interface Move {
  readonly tenant: string;
  readonly source: string;
  readonly target: string;
  readonly from: Transactions;
  readonly to: Transactions;
  /** The database of `main`. */
  readonly directory: Transactions;
  /** That of the source; undefined if the run was not told of it. */
  readonly redis: Redis | undefined;
  /** Identifies this run: its writes succeed only until another run takes over. */
  readonly run: string;
  /** How long writes may be refused before the decision. A replica ends the fence within half a second after it. */
  readonly fenceMs: number;
}

/** The writable columns of a table, in order. A move copies those that both sides have: all of them, if both have the same version. */
export async function columnsOf(connection: Connection, table: string): Promise<readonly string[]> {
  const rows = await connection<{ name: string }[]>`
    select attname::text as name from pg_attribute
    where attrelid = ${table}::regclass and attnum > 0 and not attisdropped and attgenerated = '' and attidentity = '' order by attnum`;
  return rows.map(({ name }) => name);
}

/** The row of a result that always has exactly one. */
export function only<Row>(rows: readonly Row[]): Row {
  const [row] = rows;
  if (row === undefined) throw new Error('the database answered no row');
  return row;
}
