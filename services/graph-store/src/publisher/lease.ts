/**
 * The lease from its holder's side. It lasts on PostgreSQL's clock, with a fence that grows whenever it changes hands; the holder acts only
 * while its own monotonic clock is within the term, counted from *sending* its last good renewal, so one that was stopped finds out by itself.
 */
import { done, type Outcome } from '@polyedge/contracts/errors';
import { ask, type Procedure } from './messages.ts';
import { LEASE_MARGIN_MS, LEASE_TTL_MS } from './settings.ts';
import type { PublisherState } from './term.ts';

export class Lease {
  readonly #state: PublisherState;
  #fence = 0;
  #actUntil = Number.NEGATIVE_INFINITY;

  constructor(state: PublisherState) {
    this.#state = state;
  }

  /** Whether the holder may act at this moment. */
  get held(): boolean {
    return this.#state.at < this.#actUntil;
  }

  /** When it ends unless it is renewed. */
  get actUntil(): number {
    return this.#actUntil;
  }

  get fence(): number {
    return this.#fence;
  }

  /** Takes the lease if it is free, or was this holder's own before. Gives where publishing goes on; undefined: it is another one's. */
  *take(): Procedure<Outcome<{ readonly publishedSeq: number } | undefined>> {
    const sentAt = this.#state.at;
    const taken = yield* ask({ call: 'take', above: this.#state.fenceMet });
    if (!taken.ok || taken.value === undefined) return taken.ok ? done(undefined) : taken;
    this.#fence = taken.value.fence;
    this.#actUntil = sentAt + LEASE_TTL_MS - LEASE_MARGIN_MS;
    return done({ publishedSeq: taken.value.publishedSeq });
  }

  /** Prolongs the lease. False: it is over. */
  *renew(publishedSeq: number): Procedure<boolean> {
    const sentAt = this.#state.at;
    const renewed = yield* ask({ call: 'renew', fence: this.#fence, publishedSeq });
    if (!renewed.ok || !renewed.value) {
      this.#actUntil = Number.NEGATIVE_INFINITY;
      return false;
    }
    this.#actUntil = sentAt + LEASE_TTL_MS - LEASE_MARGIN_MS;
    return true;
  }

  /** Gives it back at once, so that a successor need not wait for the term. */
  *release(publishedSeq: number): Procedure<Outcome<undefined>> {
    this.#actUntil = Number.NEGATIVE_INFINITY;
    return yield* ask({ call: 'release', fence: this.#fence, publishedSeq });
  }
}
