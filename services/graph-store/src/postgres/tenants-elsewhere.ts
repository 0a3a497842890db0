/** Tenants that this journal does not serve, because they are in another one. */
import { type Failure, failed } from '@polyedge/contracts/errors';
import type { Connection } from './connect.ts';
import type { Queries } from './pool.ts';

/** Nothing was done. Whoever is told so asks the directory where the tenant is. */
export const ELSEWHERE: { readonly ok: false; readonly failure: Failure } = failed('lost', 'the tenant is in another journal');

/** Those of these tenants that may not be written here. To be asked behind the lock of the batch, which whoever places a tenant takes alone. */
export async function findAway(connection: Connection, tenants: readonly string[]): Promise<ReadonlySet<string>> {
  const rows = await connection.unsafe<{ tenant: string }[]>(
    'select tenant from away where tenant in (select value collate "C" from json_array_elements_text($1::text::json))',
    [JSON.stringify(tenants)],
    { prepare: true },
  );
  return new Set(rows.map(({ tenant }) => tenant));
}

/** The same for reads, as it was a moment ago: they cost no question of their own. */
export class Away {
  readonly #sql: Queries;
  #tenants: ReadonlySet<string> = new Set();

  constructor(sql: Queries) {
    this.#sql = sql;
  }

  /** Reads them anew; fails when the database does. */
  async refresh(): Promise<void> {
    const rows = await this.#sql<{ tenant: string }[]>`select tenant from away`;
    this.#tenants = new Set(rows.map(({ tenant }) => tenant));
  }

  /** Why a tenant cannot be read here; undefined when it can. */
  refusal(tenant: string): typeof ELSEWHERE | undefined {
    return this.#tenants.has(tenant) ? ELSEWHERE : undefined;
  }
}
