/**
 * Copies the values of series: first those up to a write number, in the order of their key, then newer ones, in the order of writing. Write
 * numbers are assigned before the commit, so a bound is valid only if no batch was running when it was read.
 */
import type { Connection } from '../postgres/connect.ts';
import { LOCK } from '../postgres/locks.ts';
import { type Arrival, type Progress, progressed, type SeriesPlace } from './arrival.ts';
import { columnsOf, type Move, only } from './parties.ts';

const PAGE = 2000;
/** How long all writers of the source may wait for the running batches to end. */
const QUIET_MS = 1000;

interface Page {
  readonly rows: string;
  readonly last: SeriesPlace | null;
}

const page = (where: string, order: string): string => `
  select coalesce(json_agg(to_json(v)), '[]')::text as rows,
    (json_agg(json_build_object('element', v.element, 'at', v.at, 'written', v.written)) -> -1) as last
  from (select * from series_value where tenant = $1 and ${where} order by ${order} limit ${PAGE}) v`;
const EARLIER = page(
  'written <= $2::bigint and (element, at, written) > ($3::text collate "C", $4::bigint, $5::bigint)',
  'element, at, written',
);
const SINCE = page('written > $2::bigint and written <= $3::bigint', 'written');

// A current value is superseded when a later value for the same time arrives.
const RETIRE = `
  update series_value v set current = false from json_populate_recordset(null::series_value, $2::text::json) w
  where v.tenant = $1 and v.element = w.element and v.at = w.at and v.current`;

export class SeriesCopy {
  readonly #move: Move;
  #columns: readonly string[] | undefined;

  constructor(move: Move) {
    this.#move = move;
  }

  /** The number of the newest value while no batch is running: all values up to it are committed or were rolled back. */
  async bound(): Promise<number> {
    return await this.#move.from.transact(async (sql) => {
      await sql.unsafe(`set local lock_timeout = ${QUIET_MS}`);
      await sql`select pg_advisory_xact_lock(${LOCK.batch})`;
      return await newest(sql);
    });
  }

  /**
   * Copies all values up to a bound.
   * @returns the progress afterwards
   */
  async copyTo(bound: number, { progress }: Pick<Arrival, 'progress'>): Promise<Progress> {
    const { tenant, from } = this.#move;
    let { to, after } = progress.series ?? { to: bound, after: { element: '', at: 0, written: 0 } };
    let now = progress;
    while (after !== null) {
      const { element, at, written } = after;
      const values = [tenant, String(to), element, String(at), String(written)];
      const read = only(await from.run((sql) => sql.unsafe<Page[]>(EARLIER, values)));
      after = read.last;
      now = await this.#write(read, { ...now, series: { to, after } }, false);
    }
    while (to < bound) {
      const read = only(await from.run((sql) => sql.unsafe<Page[]>(SINCE, [tenant, String(to), String(bound)])));
      to = read.last?.written ?? bound;
      now = await this.#write(read, { ...now, series: { to, after: null } }, true);
    }
    return now;
  }

  async #write({ rows, last }: Page, progress: Progress, retires: boolean): Promise<Progress> {
    const { tenant, to } = this.#move;
    await to.transact(async (sql) => {
      if (last !== null) {
        this.#columns ??= await columnsOf(sql, 'series_value');
        const columns = this.#columns.join(', ');
        if (retires) await sql.unsafe(RETIRE, [tenant, rows]);
        await sql.unsafe(
          `insert into series_value (${columns}) select ${columns} from json_populate_recordset(null::series_value, $1::text::json)`,
          [rows],
        );
      }
      await progressed(sql, this.#move, progress);
    });
    return progress;
  }
}

/** Call it while no batch is running. */
export const newest = async (sql: Connection): Promise<number> =>
  only(await sql<{ last: number }[]>`select case when is_called then last_value else 0 end as last from series_value_written_seq`).last;
