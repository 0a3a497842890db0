/**
 * The lease from its holder's side. It runs on PostgreSQL's clock, with a fence that grows whenever it changes hands; the holder acts only
 * while its own monotonic clock is within the term, counted from *sending* its last successful renewal, so a suspended holder notices by
 * itself.
 */
import { done, type Outcome } from '@polyedge/contracts/errors';
import { call, type PublisherProcedure } from './messages.ts';
import { LEASE_MARGIN_MS, LEASE_TTL_MS } from './settings.ts';
import type { PublisherState } from './term.ts';

export class PublisherLease {
  readonly #state: PublisherState;
  #fence = 0;
  #actUntil = Number.NEGATIVE_INFINITY;

  constructor(state: PublisherState) {
    this.#state = state;
  }

  /** Whether the holder may act now. */
  get held(): boolean {
    return this.#state.at < this.#actUntil;
  }

  /** When it ends unless renewed. */
  get actUntil(): number {
    return this.#actUntil;
  }

  get fence(): number {
    return this.#fence;
  }

  /** Acquires the lease if it is free or already this holder's. Returns the publishing position; undefined: another process holds it. */
  *take(): PublisherProcedure<Outcome<{ readonly publishedSeq: number } | undefined>> {
    const sentAt = this.#state.at;
    const taken = yield* call({ call: 'take', above: this.#state.fenceMet });
    if (!taken.ok || taken.value === undefined) return taken.ok ? done(undefined) : taken;
    this.#fence = taken.value.fence;
    this.#actUntil = sentAt + LEASE_TTL_MS - LEASE_MARGIN_MS;
    return done({ publishedSeq: taken.value.publishedSeq });
  }

  /** Renews the lease. False: it is lost. */
  *renew(publishedSeq: number): PublisherProcedure<boolean> {
    const sentAt = this.#state.at;
    const renewed = yield* call({ call: 'renew', fence: this.#fence, publishedSeq });
    if (!renewed.ok || !renewed.value) {
      this.#actUntil = Number.NEGATIVE_INFINITY;
      return false;
    }
    this.#actUntil = sentAt + LEASE_TTL_MS - LEASE_MARGIN_MS;
    return true;
  }

  /** Releases it, so that a successor need not wait for the end of the term. */
  *release(publishedSeq: number): PublisherProcedure<Outcome<undefined>> {
    this.#actUntil = Number.NEGATIVE_INFINITY;
    return yield* call({ call: 'release', fence: this.#fence, publishedSeq });
  }
}
