/**
 * API keys: looked up by their hash, and stored encrypted so that they can be shown to their owner again. A removed key is revoked like a login
 * of its owner, whose session is the key's hash: edges close what was opened with it.
 */
import { createHash } from 'node:crypto';
import type { ApiKey, KeyOwner, Revocation } from '@polyedge/contracts/bus/accounts';
import { done, failed, type Outcome } from '@polyedge/contracts/errors';
import type { Queries } from '../postgres/pool.ts';
import type { Transactions } from '../postgres/transactions.ts';
import type { Seal } from './keys.ts';

/** The most keys of one owner; without it they could grow without limit. */
const MAX_PER_OWNER = 100;

interface KeyRow {
  readonly owner_kind: KeyOwner['kind'];
  readonly owner: string;
  readonly scope: string;
  readonly sealed: Buffer;
}

/** `add` a further key, `replace` all of the owner's keys, or `if-none`: keep existing keys. */
export type AddMode = 'add' | 'replace' | 'if-none';

export interface ApiKeysOptions {
  readonly sql: Queries;
  readonly transactions: Transactions;
  readonly seal: Seal;
  readonly onRevoked: (revocation: Revocation) => void;
  /** When the caller stops waiting, on the clock of `performance.now()`. Default: never. */
  readonly deadline?: number;
}

export class ApiKeys {
  readonly #options: ApiKeysOptions;
  readonly #sql: Queries;
  readonly #seal: Seal;
  readonly #deadline: number;

  constructor(options: ApiKeysOptions) {
    const { sql, seal, deadline = Number.POSITIVE_INFINITY } = options;
    this.#options = options;
    this.#sql = sql.before(deadline);
    this.#seal = seal;
    this.#deadline = deadline;
  }

  /** A copy for a caller with this deadline. */
  before(deadline: number): ApiKeys {
    return new ApiKeys({ ...this.#options, deadline });
  }

  /** Adds a key and returns it or, with `if-none`, the owner's first key. Concurrent callers get the same one. */
  async add(tenant: string, { key, owner, scope }: ApiKey, mode: AddMode): Promise<Outcome<ApiKey>> {
    const { kind, id } = owner;
    let revoked: readonly Revocation[] = [];
    const added = await this.#options.transactions.transact(async (sql): Promise<Outcome<ApiKey>> => {
      await sql`select pg_advisory_xact_lock(hashtextextended(${`api-key ${tenant} ${kind} ${id}`}, 0))`;
      const had = await sql<KeyRow[]>`
        select owner_kind, owner, scope, sealed from api_key where tenant = ${tenant} and owner_kind = ${kind} and owner = ${id} order by number`;
      if (mode === 'if-none' && had[0] !== undefined) return this.#open(had[0]);
      if (mode === 'replace') revoked = await removed(sql, tenant, owner);
      else if (had.length >= MAX_PER_OWNER) return failed('too-large', `more than ${MAX_PER_OWNER} keys`);
      const inserted = await sql`
        insert into api_key (hash, tenant, owner_kind, owner, scope, sealed, created_on)
        values (${hashOf(key)}, ${tenant}, ${kind}, ${id}, ${scope}, ${this.#seal.seal(key)}, ${Date.now()})
        on conflict (hash) do nothing returning number`;
      return inserted.length === 1 ? done({ key, owner, scope }) : failed('conflict', 'the key is taken');
    }, this.#deadline);
    this.#announce(revoked);
    return added;
  }

  /** The owner and scope of a key. */
  async find(tenant: string, hash: string): Promise<Outcome<Omit<ApiKey, 'key'>>> {
    const [row] = await this.#sql<KeyRow[]>`
      select owner_kind, owner, scope, sealed from api_key where hash = ${Buffer.from(hash, 'hex')} and tenant = ${tenant}`;
    return row === undefined ? failed('not-found') : done({ owner: { kind: row.owner_kind, id: row.owner }, scope: row.scope });
  }

  /** The keys of some owners, each owner's in the order in which they were added. */
  async list(tenant: string, kind: KeyOwner['kind'], ids: readonly string[]): Promise<Outcome<ApiKey[]>> {
    const rows = await this.#sql<KeyRow[]>`
      select owner_kind, owner, scope, sealed from api_key where tenant = ${tenant} and owner_kind = ${kind}
        and owner in (select value collate "C" from json_array_elements_text(${JSON.stringify(ids)}::json)) order by number`;
    const keys: ApiKey[] = [];
    for (const row of rows) {
      const opened = this.#open(row);
      if (!opened.ok) return opened;
      keys.push(opened.value);
    }
    return done(keys);
  }

  /** Removes one key of an owner, or all of them. @returns the number of removed keys */
  async remove(tenant: string, owner: KeyOwner, hash?: string): Promise<number> {
    const revoked = await removed(this.#sql, tenant, owner, hash);
    this.#announce(revoked);
    return revoked.length;
  }

  #announce(revoked: readonly Revocation[]): void {
    for (const revocation of revoked) this.#options.onRevoked(revocation);
  }

  #open({ owner_kind, owner, scope, sealed }: KeyRow): Outcome<ApiKey> {
    const key = this.#seal.open(sealed);
    return key === undefined
      ? failed('internal', 'a key was sealed with another secret')
      : done({ key, owner: { kind: owner_kind, id: owner }, scope });
  }
}

const hashOf = (key: string): Buffer => createHash('sha256').update(key).digest();

/** Executes statements, in a transaction or not. */
type Statements = <R extends readonly object[]>(text: TemplateStringsArray, ...values: readonly (string | number)[]) => PromiseLike<R>;

/** Removes keys and stores their revocations, for edges that miss the announcement. */
async function removed(sql: Statements, tenant: string, { kind, id }: KeyOwner, hash = ''): Promise<readonly Revocation[]> {
  const rows = await sql<{ account: string; login: string; before: number }[]>`
    with gone as (
      delete from api_key where tenant = ${tenant} and owner_kind = ${kind} and owner = ${id}
        and (${hash}::text = '' or hash = decode(${hash}, 'hex')) returning hash
    )
    insert into revocation (account, login, before) select ${id}, encode(hash, 'hex'), ${Date.now() + 1}::bigint from gone
    on conflict (account, login) do update set before = greatest(revocation.before, excluded.before)
    returning account, login, before`;
  return rows.map(({ account, login, before }) => ({ account, before, session: login }));
}
