/**
 * What subscriptions of the broadcaster missed between a position of before and the moment they went live: read from the journal, shown in the order of
 * seq, and before anything later. Used when a client comes back to a conversation that its connection had cut short.
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

/** Reads the journal, as the feed does. */
export type ReadChanges = (request: RequestOf<typeof graphChanges>) => Promise<Outcome<ReplyOf<typeof graphChanges>>>;

/** A subscription that begins in the past. */
export interface Missing<Subscription> {
  readonly subscription: Subscription;
  readonly interest: Interest;
  readonly view: View;
  /** What came after this seq is missing. */
  readonly after: number;
  readonly matches: (document: Document) => boolean;
}

export interface CatchUpOptions<Subscription> {
  readonly epoch: string;
  readonly read: ReadChanges;
  readonly cache: Pick<ChangeCache<Packet>, 'before' | 'document'>;
  readonly show: (missing: Missing<Subscription>, change: FullChange) => void;
  /** Everything up to `upTo` was shown. */
  readonly reached: () => void;
  readonly ended: (failure: Failure | undefined) => void;
}

export class CatchUp<Subscription extends { readonly live: boolean }> {
  readonly #options: CatchUpOptions<Subscription>;
  readonly #missing: Missing<Subscription>[] = [];
  /** Those that are not live yet. */
  readonly #coming = new Set<Subscription>();
  #until = 0;
  /** Who is told once nothing is missing any more. */
  #waitingForEnd: (() => void)[] = [];
  #running = false;
  #over = false;
  /** Everything up to here was shown to all of its subscriptions. */
  upTo = -1;

  constructor(options: CatchUpOptions<Subscription>) {
    this.#options = options;
  }

  /** A further subscription; `live` is to be called with the seq from which on it hears by itself, and with what is to happen at the end. */
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

  /** A subscription that need not be waited for, because it is live or has ended. */
  left(subscription: Subscription): void {
    // Others of the same effects are added before it begins.
    if (this.#coming.delete(subscription)) queueMicrotask(() => this.#begin());
  }

  /** Nothing is shown any more. */
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

  /** A change that is too large for a page. */
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
