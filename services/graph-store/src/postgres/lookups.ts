/**
 * Reads of elements by id. Those that wait for a connection are read by one statement as soon as one is free; a lone one is read at once. So
 * many reads at a time share the cost of a statement, and the connections stay free for others.
 */
import { ALWAYS_FITTING } from '@polyedge/contracts/bus/graph';
import { ACCOUNT_TYPE } from '../core/account-vertex.ts';
import { ELEMENT_COLUMNS } from '../core/query-sql.ts';
import { type Connection, sqlState } from './connect.ts';
import { isEnd } from './link.ts';
import { CallerGone, MAX_WAITING, type Pool, PoolFull } from './pool.ts';
import type { ElementRow } from './rows.ts';
import { isHere } from './tenants-elsewhere.ts';

/** Maximum elements of one statement. They fit into one answer, so reading them takes no longer than one large answer does. */
const MAX_ELEMENTS = ALWAYS_FITTING;

/** The elements of all `asked` ids; each asked id of a tenant served here has at least one row, without an element if none is found. */
const FIND = `select s.seq as at_seq, s.epoch as at_epoch, asked.place::int as asked, e.* from sequencer s cross join
  rows from (json_array_elements_text($1::json), json_array_elements_text($2::json), json_array_elements_text($3::json))
    with ordinality as asked(tenant, id, accounts, place)
  left join lateral (
    select ${ELEMENT_COLUMNS}, tenant from element where asked.accounts = 'true' and tenant = 'system' and id = asked.id
      and type = '${ACCOUNT_TYPE}' and attributes ->> 'tenant' = asked.tenant
    union all select ${ELEMENT_COLUMNS}, tenant from element where tenant = asked.tenant and id = asked.id and scope <> 'system' offset 0
  ) e on true where ${isHere('asked.tenant')}`;

/** What one statement has found, at one position of the journal. */
export interface RowsAtSeq<Row> {
  readonly seq: number;
  readonly epoch: string;
  readonly rows: readonly Row[];
}

export interface Lookup {
  readonly tenant: string;
  /** Without duplicates. */
  readonly ids: readonly string[];
  /** Also the tenant's accounts. */
  readonly accounts: boolean;
  /** On the clock of `performance.now()`. */
  readonly deadline: number;
}

interface WaitingLookup extends Lookup {
  readonly found: (found: RowsAtSeq<ElementRow> | undefined) => void;
  readonly failed: (error: unknown) => void;
}

type FoundRow = ElementRow & { readonly at_seq: number; readonly at_epoch: string; readonly asked: number };

export class Lookups {
  readonly #pool: Pick<Pool, 'run'>;
  readonly #waiting: WaitingLookup[] = [];
  /** Whether a connection is awaited. */
  #isAwaiting = false;

  constructor(pool: Pick<Pool, 'run'>) {
    this.#pool = pool;
  }

  /** Whether a lookup can share a statement; one that may find more needs a statement of its own. */
  static fits({ ids, accounts }: Pick<Lookup, 'ids' | 'accounts'>): boolean {
    return elementsOf({ ids, accounts }) <= MAX_ELEMENTS;
  }

  /**
   * The rows of the elements with these ids; undefined if the tenant is in another journal. If PostgreSQL refuses a value of a shared
   * statement, or its connection breaks, each of its lookups is repeated alone, so that one does not fail because of another.
   * @throws CallerGone, PoolFull, or what `readFailure` of `read.ts` makes a failure of
   */
  find(lookup: Lookup): Promise<RowsAtSeq<ElementRow> | undefined> {
    if (this.#waiting.length >= MAX_WAITING) return Promise.reject(new PoolFull());
    return new Promise((found, failed) => {
      this.#waiting.push({ ...lookup, found, failed });
      if (!this.#isAwaiting) this.#await();
    });
  }

  #await(): void {
    this.#isAwaiting = true;
    let taken: readonly WaitingLookup[] | undefined;
    this.#pool
      .run(async (connection) => {
        taken = this.#take();
        await find(connection, taken);
      })
      .catch((error: unknown) => {
        const together = taken !== undefined && taken.length > 1 && isOfOne(error);
        for (const lookup of taken ?? this.#take()) {
          if (together) this.#pool.run((connection) => find(connection, [lookup]), lookup.deadline).catch(lookup.failed);
          else lookup.failed(error);
        }
      });
  }

  /** The longest-waiting lookups whose elements one statement may read, without those whose callers have timed out. */
  #take(): WaitingLookup[] {
    const taken: WaitingLookup[] = [];
    let elements = 0;
    let passed = 0;
    for (const lookup of this.#waiting) {
      if (lookup.deadline <= performance.now()) lookup.failed(new CallerGone());
      else {
        elements += elementsOf(lookup);
        if (elements > MAX_ELEMENTS) break;
        taken.push(lookup);
      }
      passed += 1;
    }
    this.#waiting.splice(0, passed);
    this.#isAwaiting = false;
    if (this.#waiting.length > 0) this.#await();
    return taken;
  }
}

/** Whether a statement failed because of a value, which is of one of its lookups, or because its connection ended. */
function isOfOne(error: unknown): boolean {
  return sqlState(error)?.startsWith('22') === true || isEnd(error);
}

/** An account may come with an element of the same id. */
function elementsOf({ ids, accounts }: Pick<Lookup, 'ids' | 'accounts'>): number {
  return accounts ? 2 * ids.length : ids.length;
}

async function find(connection: Connection, lookups: readonly WaitingLookup[]): Promise<void> {
  if (lookups.length === 0) return;
  const asked = lookups.flatMap((lookup) => lookup.ids.map((id) => ({ lookup, id })));
  const rows = await connection.unsafe<FoundRow[]>(
    FIND,
    [
      JSON.stringify(asked.map(({ lookup }) => lookup.tenant)),
      JSON.stringify(asked.map(({ id }) => id)),
      JSON.stringify(asked.map(({ lookup }) => lookup.accounts)),
    ],
    { prepare: true },
  );
  const [first] = rows;
  const found = new Map<WaitingLookup, ElementRow[]>();
  for (const row of rows) {
    const { lookup } = asked[row.asked - 1] ?? {};
    if (lookup === undefined) continue;
    const its = found.get(lookup) ?? [];
    if (row.id !== null) its.push(row);
    found.set(lookup, its);
  }
  for (const lookup of lookups) {
    const its = found.get(lookup);
    lookup.found(first === undefined || its === undefined ? undefined : { seq: first.at_seq, epoch: first.at_epoch, rows: its });
  }
}
