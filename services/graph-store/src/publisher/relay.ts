/**
 * Publishes the journal to NATS with a cursor: in the order of seq, from memory if possible and else from PostgreSQL, each run followed by
 * the head that covers it. Repeats are harmless, since rows never change and edges deliver by seq; a gap would not be.
 */

import { call, type PublisherProcedure } from './messages.ts';
import type { Recent } from './recent.ts';
import { IDLE_HEAD_MS, POLL_BEHIND_MS, POLL_MS, RUN_CHANGES, RUN_CHARACTERS } from './settings.ts';
import type { PublisherState, Term } from './term.ts';

export class Relay {
  readonly #state: PublisherState;
  #term: Term | undefined;
  /** This holder has passed everything up to here to NATS. */
  #cursor = 0;
  /** Everything up to here has reached the NATS server. */
  #flushed = 0;
  #headAt = Number.NEGATIVE_INFINITY;
  #polledAt = Number.NEGATIVE_INFINITY;
  #polling = false;
  /**
   * The last page read from the journal. Kept here because memory is bounded, and may have evicted the page's first change before its last
   * one is added.
   */
  #page: readonly Recent[] = [];
  /** When the journal may be read; infinite while a read is in progress. */
  #readAt = Number.NEGATIVE_INFINITY;

  constructor(state: PublisherState) {
    this.#state = state;
  }

  get cursor(): number {
    return this.#cursor;
  }

  get flushed(): number {
    return this.#flushed;
  }

  begin(term: Term, publishedSeq: number): void {
    this.#term = term;
    this.#cursor = Math.min(publishedSeq, this.#state.known);
    this.#flushed = this.#cursor;
    this.#headAt = Number.NEGATIVE_INFINITY;
    this.#polledAt = this.#state.at;
    this.#polling = false;
    this.#readAt = Number.NEGATIVE_INFINITY;
  }

  end(): void {
    this.#term = undefined;
    this.#page = [];
  }

  /** Everything up to `seq` has reached the NATS server. */
  reached(seq: number): void {
    this.#flushed = seq;
  }

  /** A commit was reported. */
  notified(): void {
    if (this.#readAt !== Number.POSITIVE_INFINITY) this.#readAt = Number.NEGATIVE_INFINITY;
  }

  /** When it needs to be pumped at the latest. */
  get deadline(): number {
    if (this.#term === undefined) return Number.POSITIVE_INFINITY;
    const read = this.#isBehind ? this.#readAt : Number.POSITIVE_INFINITY;
    return Math.min(this.#headAt + IDLE_HEAD_MS, this.#pollAt, read);
  }

  /** Publishes everything that is possible now. */
  pump(): void {
    const { at, procedures } = this.#state;
    const term = this.#term;
    if (term === undefined) return;
    if (this.#isBehind) {
      const run = this.#nextRun();
      if (run.length > 0) {
        // Yields to other work before the next run.
        this.#publish(term, this.#cursor + run.length, run);
        return;
      }
      if (at >= this.#readAt) procedures.start(this.#read(), term);
    }
    if (at >= this.#headAt + IDLE_HEAD_MS) this.#publish(term, this.#cursor, []);
    if (at >= this.#pollAt) procedures.start(this.#poll(), term);
  }

  get #isBehind(): boolean {
    return this.#state.known > this.#cursor;
  }

  get #pollAt(): number {
    return this.#polling ? Number.POSITIVE_INFINITY : this.#polledAt + (this.#isBehind ? POLL_BEHIND_MS : POLL_MS);
  }

  /** The available changes after the cursor, up to the first hole. */
  #nextRun(): Recent[] {
    const { recent } = this.#state;
    const run: Recent[] = [];
    const page = this.#page;
    const pageFrom = page[0]?.change.seq ?? 0;
    let characters = 0;
    for (let seq = this.#cursor + 1; run.length < RUN_CHANGES && characters < RUN_CHARACTERS; seq += 1) {
      const next = recent.get(seq) ?? page[seq - pageFrom];
      if (next === undefined) break;
      run.push(next);
      characters += next.characters;
    }
    return run;
  }

  #publish({ epoch, fence }: Term, to: number, changes: readonly Recent[]): void {
    this.#state.effects.push({ do: 'publish', epoch, fence, from: this.#cursor + 1, to, changes });
    this.#state.stats.published += changes.length;
    this.#state.stats.head = to;
    this.#cursor = to;
    if (to >= (this.#page.at(-1)?.change.seq ?? Number.POSITIVE_INFINITY)) this.#page = [];
    this.#headAt = this.#state.at;
  }

  *#read(): PublisherProcedure {
    const state = this.#state;
    state.stats.readsFromJournal += 1;
    this.#readAt = Number.POSITIVE_INFINITY;
    const read = yield* call({ call: 'changes', after: this.#cursor, limit: state.pageSize.limit });
    // A known commit that cannot be read was reported in another epoch.
    this.#readAt = read.ok && read.value.length > 0 ? Number.NEGATIVE_INFINITY : state.at + POLL_BEHIND_MS;
    if (!read.ok) state.failure = read.failure;
    else {
      // A row becomes visible only after all earlier ones: seq follows commit order.
      this.#page = state.read(read.value);
      state.recent.add(this.#page);
    }
  }

  *#poll(): PublisherProcedure {
    const state = this.#state;
    this.#polling = true;
    this.#polledAt = state.at;
    const newest = yield* call({ call: 'newest' });
    this.#polling = false;
    if (!newest.ok) state.failure = newest.failure;
    else if (newest.value > state.known) state.known = newest.value;
  }
}
