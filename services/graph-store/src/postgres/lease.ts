/** The row of the publisher's lease, on PostgreSQL's clock. Its fence is incremented by every acquisition. */
import type { Queries } from './pool.ts';

export class LeaseRow {
  readonly #sql: Queries;
  readonly #holder: string;

  constructor(sql: Queries, holder: string) {
    this.#sql = sql;
    this.#holder = holder;
  }

  /** Acquires the lease if it is free or already this holder's. Undefined: another process holds it. */
  async take(above: number, ttlMs: number): Promise<{ readonly fence: number; readonly publishedSeq: number } | undefined> {
    const [row] = await this.#sql<{ fence: number; published_seq: number }[]>`
      update publisher set holder = ${this.#holder}, fence = greatest(fence, ${above}) + 1, until = clock_timestamp() + ${ttlMs} * interval '1 millisecond'
      where until < clock_timestamp() or holder = ${this.#holder} returning fence, published_seq`;
    return row === undefined ? undefined : { fence: row.fence, publishedSeq: row.published_seq };
  }

  /** Renews the lease and saves the publishing position. False: another process holds it. */
  async renew(fence: number, publishedSeq: number, ttlMs: number): Promise<boolean> {
    const rows = await this.#sql`
      update publisher set until = clock_timestamp() + ${ttlMs} * interval '1 millisecond', published_seq = greatest(published_seq, ${publishedSeq})
      where holder = ${this.#holder} and fence = ${fence}`;
    return rows.count === 1;
  }

  async release(fence: number, publishedSeq: number): Promise<void> {
    await this.#sql`
      update publisher set until = '-infinity', published_seq = greatest(published_seq, ${publishedSeq})
      where holder = ${this.#holder} and fence = ${fence}`;
  }
}
