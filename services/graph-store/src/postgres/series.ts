/** Values of time series. */
import type { graphValues } from '@polyedge/contracts/bus/graph';
import type { ReplyOf, RequestOf } from '@polyedge/contracts/channel';
import { done, failed, type Outcome } from '@polyedge/contracts/errors';
import type { Json } from '@polyedge/query/json';
import { parseJson } from '@polyedge/query/json-text';
import { MAX_DECIMAL_CHARACTERS } from '@polyedge/query/text';
import type { Queries } from './pool.ts';
import { readFailure } from './read.ts';
import { isHere, refusalOf } from './tenants-elsewhere.ts';

const DEFAULT_LIMIT = 10_000;

export class Series {
  readonly #sql: Queries;

  constructor(sql: Queries) {
    this.#sql = sql;
  }

  /** The same, for a caller with this deadline on the clock of `performance.now()`. */
  before(deadline: number): Series {
    return new Series(this.#sql.before(deadline));
  }

  /** Expired values are not returned, even if not deleted yet. */
  async values(tenant: string, request: RequestOf<typeof graphValues>): Promise<Outcome<ReplyOf<typeof graphValues>>> {
    const sql = this.#sql;
    const { from, to, at, history = false, order = 'asc', aggregate = 'none', limit = DEFAULT_LIMIT, offset = 0 } = request;
    const where = sql`tenant = ${tenant} and ${sql.unsafe(isHere('series_value.tenant'))}
      and element in (select value collate "C" from json_array_elements_text(${JSON.stringify(request.ids)}::json))
      and (expires_on is null or expires_on > ${Date.now()})
      ${at === undefined && !history ? sql`and current` : sql``} ${at === undefined ? sql`` : sql`and at = ${at}`}
      ${from === undefined ? sql`` : sql`and at >= ${from}`} ${to === undefined ? sql`` : sql`and at <= ${to}`}`;
    try {
      if (aggregate !== 'none') {
        // Only numbers (and texts that are numbers, as HIRO clients write them) are included, exactly and at any size.
        const [row] = await sql.search(sql<{ value: string | null; at: number | null }[]>`
          select ${sql.unsafe(aggregate)}((value #>> '{}')::numeric)::text as value, max(at) as at from series_value
          where ${where} and char_length(value #>> '{}') <= ${MAX_DECIMAL_CHARACTERS}
            and value #>> '{}' ~ '^[+-]?[0-9]+([.][0-9]+)?([eE][+-]?[0-9]{1,3})?$'`);
        if (row?.value == null || row.at == null) return (await refusalOf(sql, tenant)) ?? done({ values: [], more: false });
        const value = parseJson(row.value);
        return value.ok
          ? done({ values: [{ at: row.at, value: value.value }], more: false })
          : failed('invalid', `the ${aggregate} ${value.problem}`);
      }
      const newestFirst = at !== undefined || history || order === 'desc';
      const rows = await sql.search(sql<{ at: number; value: Json }[]>`
        select at, value from series_value where ${where} order by ${newestFirst ? sql`at desc, written desc` : sql`at, written`}
        limit ${limit + 1} offset ${offset}`);
      const refused = rows.length === 0 ? await refusalOf(sql, tenant) : undefined;
      if (refused !== undefined) return refused;
      return done({ values: rows.slice(0, limit).map(({ at: time, value }) => ({ at: time, value })), more: rows.length > limit });
    } catch (error) {
      return readFailure(error);
    }
  }

  /** Deletes expired values, a bounded number at a time. */
  async sweep(): Promise<void> {
    await this.#sql`delete from series_value where ctid in (select ctid from series_value where expires_on < ${Date.now()} limit 10000)`;
  }
}
