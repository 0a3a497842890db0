/**
 * Catches up subscriptions of the broadcaster that resume from an earlier position: the changes up to the moment they go live are read from
 * the journal and shown in the order of seq, before anything later. Used when a client resumes a session after its connection was lost.
 */
import type { graphChanges } from '@polyedge/contracts/bus/feed';
import { type FullChange, isFull } from '@polyedge/contracts/change';
import type { ReplyOf, RequestOf } from '@polyedge/contracts/channel';
import type { Failure, Outcome } from '@polyedge/contracts/errors';
import { covers, type Interest, interestName } from '@polyedge/contracts/interest';
import type { Document } from '@polyedge/query/document';
import { compile } from '@polyedge/query/predicate';
import type { View } from '@polyedge/session/session';
import type { Packet } from '../transport/wire.ts';
import type { ChangeCache } from './change-cache.ts';

/** Reads changes from the journal, like the feed's backfill. */
export type ReadChanges = (request: RequestOf<typeof graphChanges>) => Promise<Outcome<ReplyOf<typeof graphChanges>>>;

/** A subscription that resumes from the past. */
export interface Missing<Subscription> {
  readonly subscription: Subscription;
  readonly interest: Interest;
  readonly view: View;
  /** Changes after this seq are missing. */
  readonly after: number;
  readonly matches: (document: Document) => boolean;
}

export interface CatchUpOptions<Subscription> {
  readonly epoch: string;
  readonly read: ReadChanges;
  readonly cache: Pick<ChangeCache<Packet>, 'before' | 'document'>;
  readonly show: (missing: Missing<Subscription>, change: FullChange) => void;
  /** Called when everything up to `upTo` has been shown. */
  readonly reached: () => void;
  readonly ended: (failure: Failure | undefined) => void;
}

export class CatchUp<Subscription extends { readonly live: boolean }> {
  readonly #options: CatchUpOptions<Subscription>;
  readonly #missing: Missing<Subscription>[] = [];
  /** Subscriptions that are not live yet. */
  readonly #coming = new Set<Subscription>();
  #until = 0;
  /** Callbacks for the end of the catch-up. */
  #waitingForEnd: (() => void)[] = [];
  #running = false;
  #over = false;
  /** Everything up to this seq has been shown to all of its subscriptions. */
  upTo = -1;

  constructor(options: CatchUpOptions<Subscription>) {
    this.#options = options;
  }

  /**
   * Adds a subscription. The caller calls `live` with the seq after which the subscription receives changes itself, and with a callback for
   * the end.
   */
  add(missing: Omit<Missing<Subscription>, 'matches'>): { live(seq: number, epoch: string, then: () => void): void } {
    this.#missing.push({ ...missing, matches: compile(missing.view.filter) });
    this.#coming.add(missing.subscription);
    return {
      live: (seq, epoch, then) => {
        this.#waitingForEnd.push(() => {
          if (missing.subscription.live) then();
        });
        this.#until = Math.max(this.#until, seq);
        if (epoch !== this.#options.epoch) this.#end({ code: 'lost', detail: 'the history was replaced by another' });
        else this.left(missing.subscription);
      },
    };
  }

  /** Stops waiting for a subscription, because it is live or has ended. */
  left(subscription: Subscription): void {
    // Other subscriptions of the same input are added before it starts.
    if (this.#coming.delete(subscription)) queueMicrotask(() => this.#begin());
  }

  /** Ends the catch-up; nothing more is shown. */
  stop(): void {
    this.#over = true;
  }

  #begin(): void {
    if (this.#running || this.#over || this.#coming.size > 0) return;
    this.#running = true;
    void this.#run().then(
      (failure) => this.#end(failure),
      () => this.#end({ code: 'internal' }),
    );
  }

  #end(failure: Failure | undefined): void {
    if (this.#over) return;
    this.#over = true;
    this.#options.ended(failure);
    const waiting = this.#waitingForEnd;
    this.#waitingForEnd = [];
    if (failure === undefined) for (const one of waiting) one();
  }

  async #run(): Promise<Failure | undefined> {
    const { epoch, read, reached } = this.#options;
    const interests = [...new Map(this.#missing.map(({ interest }) => [interestName(interest), interest])).values()];
    let after = Math.min(...this.#missing.map((missing) => missing.after));
    while (after < this.#until && !this.#over) {
      const page = await read({ epoch, after, upTo: this.#until, interests });
      if (!page.ok) return page.failure;
      const to = Math.min(page.value.to, this.#until);
      if (page.value.epoch !== epoch || to <= after) return { code: 'lost' };
      for (const change of page.value.changes.filter(({ seq }) => seq > after && seq <= to).sort((one, other) => one.seq - other.seq)) {
        const full = isFull(change) ? change : await this.#whole(change.seq);
        if (full === undefined) return { code: 'lost', detail: 'a change is no longer kept' };
        if (this.#over) return undefined;
        this.#show(full);
      }
      after = to;
      this.upTo = to;
      reached();
    }
    return undefined;
  }

  /** Reads a change that is too large for a page. */
  async #whole(seq: number): Promise<FullChange | undefined> {
    const { epoch, read } = this.#options;
    const found = await read({ epoch, seqs: [seq] });
    return found.ok ? found.value.changes.find((change): change is FullChange => change.seq === seq && isFull(change)) : undefined;
  }

  #show(change: FullChange): void {
    const { cache } = this.#options;
    const after = cache.document(change);
    const before = this.#missing.some(({ view }) => view.on === 'either') ? cache.before(change) : undefined;
    for (const missing of this.#missing) {
      if (!missing.subscription.live || change.seq <= missing.after || !covers(missing.interest, change)) continue;
      const wasSeen = missing.view.on === 'either' && before !== undefined && missing.matches(before);
      if (wasSeen || missing.matches(after)) this.#options.show(missing, change);
    }
  }
}
