/**
 * The publisher's lease: one row, on PostgreSQL's clock, with a fence that grows whenever it changes hands. The holder acts only while its
 * own monotonic clock is within the term, counted from *sending* its last good renewal, so a stopped holder finds out by itself.
 */
import type { Queries } from './pool.ts';

export const LEASE_TTL_MS = 5000;
/** How much earlier than the term the holder stops acting. */
const MARGIN_MS = 1000;

export interface Held {
  readonly fence: number;
  /** Where the predecessor's publishing stood; it may have published more. */
  readonly publishedSeq: number;
}

export class Lease {
  readonly #sql: Queries;
  readonly #holder: string;
  readonly #now: () => number;
  #fence = 0;
  #above = 0;
  #actUntil = Number.NEGATIVE_INFINITY;

  /** @param now a monotonic clock in milliseconds. */
  constructor(sql: Queries, holder: string, now: () => number) {
    this.#sql = sql;
    this.#holder = holder;
    this.#now = now;
  }

  /** Whether the holder may act at this moment. */
  get held(): boolean {
    return this.#now() < this.#actUntil;
  }

  get fence(): number {
    return this.#fence;
  }

  /** Takes the lease if it is free, or was this holder's own before. */
  async take(): Promise<Held | undefined> {
    const sentAt = this.#now();
    const [row] = await this.#sql<{ fence: number; published_seq: number }[]>`
      update publisher set holder = ${this.#holder}, fence = greatest(fence, ${this.#above}) + 1, until = clock_timestamp() + ${LEASE_TTL_MS} * interval '1 millisecond'
      where until < clock_timestamp() or holder = ${this.#holder} returning fence, published_seq`;
    if (row === undefined) return undefined;
    this.#fence = row.fence;
    this.#actUntil = sentAt + LEASE_TTL_MS - MARGIN_MS;
    return { fence: row.fence, publishedSeq: row.published_seq };
  }

  /** A fence was met that is higher than the holder's own: the database is an older copy. The next one taken will be above it. */
  outdo(fence: number): void {
    this.#above = Math.max(this.#above, fence);
  }

  /** Prolongs the lease and saves how far publishing came. False: it is somebody else's now. */
  async renew(publishedSeq: number): Promise<boolean> {
    const sentAt = this.#now();
    const rows = await this.#sql`
      update publisher set until = clock_timestamp() + ${LEASE_TTL_MS} * interval '1 millisecond', published_seq = greatest(published_seq, ${publishedSeq})
      where holder = ${this.#holder} and fence = ${this.#fence}`;
    if (rows.count !== 1) {
      this.#actUntil = Number.NEGATIVE_INFINITY;
      return false;
    }
    this.#actUntil = sentAt + LEASE_TTL_MS - MARGIN_MS;
    return true;
  }

  /** Gives it back at once, so that a successor need not wait for the term. */
  async release(publishedSeq: number): Promise<void> {
    this.#actUntil = Number.NEGATIVE_INFINITY;
    await this.#sql`
      update publisher set until = '-infinity', published_seq = greatest(published_seq, ${publishedSeq})
      where holder = ${this.#holder} and fence = ${this.#fence}`;
  }
}
