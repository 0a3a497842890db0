/**
 * Copies of accounts in a journal other than `main`: HIRO shows accounts among the elements of their organization, so the journal of an
 * organization has a copy of each of its accounts, outside its history. The directory remains authoritative; copies are updated within
 * moments.
 */
import { accountsChanged } from '@polyedge/contracts/bus/accounts';
import { SYSTEM_TENANT } from '@polyedge/contracts/element';
import type { Bus, Subscription } from '@polyedge/service-kit/bus';
import type { Log } from '@polyedge/service-kit/log';
import type { Queries } from '../postgres/pool.ts';
import { ACCOUNT_TYPE } from './accounts.ts';

/** Interval of comparing all accounts, which finds changes whose notification was lost. */
const COMPARE_MS = 30_000;
/** Accounts per statement. */
const PAGE = 500;

export interface AccountCopiesOptions {
  readonly bus: Pick<Bus, 'subscribe' | 'placements'>;
  /** The database of `main`. */
  readonly directory: Queries;
  readonly name: string;
  /** The database of the journal. */
  readonly journal: Queries;
  readonly log: Log;
}

export class AccountCopies {
  readonly #options: AccountCopiesOptions;
  #subscriptions: Subscription[] = [];
  #timer: NodeJS.Timeout | undefined;
  /** The copies contain every change of an account up to here. */
  #seq = 0;
  /** Serializes the work. */
  #turn: Promise<void> = Promise.resolve();

  constructor(options: AccountCopiesOptions) {
    this.#options = options;
  }

  start(): void {
    const { bus } = this.#options;
    this.#subscriptions = [bus.subscribe(accountsChanged, accountsChanged.pattern({}), ({ id }) => this.#then(() => this.#one(id)))];
    const moved = bus.placements?.onMoved(() => {
      this.#seq = 0;
      this.#then(() => this.#missing());
    });
    if (moved !== undefined) this.#subscriptions.push(moved);
    this.#timer = setInterval(() => this.#then(() => this.#missing()), COMPARE_MS);
    this.#then(() => this.#missing());
  }

  /** Resolves when no work is in progress. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
    await this.#turn;
  }

  #then(work: () => Promise<void>): void {
    const { log } = this.#options;
    this.#turn = this.#turn.then(work).catch((err: unknown) => log.warn('accounts were not copied; it is tried again', { err }));
  }

  async #one(id: string): Promise<void> {
    const { directory } = this.#options;
    const [row] = await directory<{ tenant: string; accounts: string }[]>`
      select attributes ->> 'tenant' as tenant, json_build_array(to_json(element))::text as accounts
      from element where tenant = ${SYSTEM_TENANT} and id = ${id} and type = ${ACCOUNT_TYPE}`;
    if (row !== undefined && this.#isHere(row.tenant)) await this.#options.journal.unsafe(STORE, [row.accounts]);
  }

  async #missing(): Promise<void> {
    const { directory } = this.#options;
    const found = await directory<{ tenant: string; count: number; newest: number }[]>`
      select attributes ->> 'tenant' as tenant, count(*) as count, max(seq) as newest from element
      where tenant = ${SYSTEM_TENANT} and type = ${ACCOUNT_TYPE} and seq > ${this.#seq} group by 1`;
    for (const { tenant } of found) if (this.#isHere(tenant)) await this.#ofTenant(tenant);
    this.#seq = Math.max(this.#seq, ...found.map(({ newest }) => newest));
  }

  async #ofTenant(tenant: string): Promise<void> {
    const { directory, journal } = this.#options;
    await copyAccounts(
      (text, values) => directory.unsafe<PageOfAccounts[]>(text, values),
      (text, values) => journal.unsafe(text, values),
      tenant,
      this.#seq,
    );
  }

  #isHere(tenant: string): boolean {
    return this.#options.bus.placements?.journalOf(tenant) === this.#options.name;
  }
}

interface PageOfAccounts {
  readonly accounts: string;
  readonly last: string | null;
}

const READ = `
  select coalesce(json_agg(to_json(e)), '[]')::text as accounts, max(id) as last from (
    select * from element where tenant = '${SYSTEM_TENANT}' and type = '${ACCOUNT_TYPE}' and attributes ->> 'tenant' = $1
      and seq > $2::bigint and id > $3 order by id limit ${PAGE}) e`;

// Rows are passed as JSON text, which preserves every number.
const STORE = `
  insert into element select * from json_populate_recordset(null::element, $1::text::json)
  on conflict (tenant, id) do update set attributes = excluded.attributes, version = excluded.version, seq = excluded.seq,
    modified_on = excluded.modified_on, modified_by = excluded.modified_by, modified_app = excluded.modified_app, deleted = excluded.deleted
  where element.version < excluded.version`;

/**
 * Copies the accounts of a tenant that have changed since the last copy.
 * @param read queries the database of `main`
 * @param write writes to that of the journal
 */
export async function copyAccounts(
  read: (text: string, values: string[]) => PromiseLike<readonly PageOfAccounts[]>,
  write: (text: string, values: string[]) => PromiseLike<unknown>,
  tenant: string,
  since: number,
): Promise<void> {
  for (let after: string | null = ''; after !== null; ) {
    const [page]: readonly PageOfAccounts[] = await read(READ, [tenant, String(since), after]);
    after = page?.last ?? null;
    if (page !== undefined && after !== null) await write(STORE, [page.accounts]);
  }
}
