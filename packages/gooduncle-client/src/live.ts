/** A subscription as its user holds it. */
import type { Failure, Result, SubscriptionState, Update } from './types.ts';

type Listener<Row> = (update: Update<Row>) => void;

/** Updates that an iterator keeps for a consumer that is not there yet. */
const MAX_KEPT = 256;

export class Live<Row> implements AsyncIterable<Update<Row>> {
  #last: Update<Row>;
  readonly #listeners = new Set<Listener<Row>>();
  readonly #close: () => void;

  constructor(close: () => void) {
    this.#close = close;
    this.#last = { rows: Object.freeze([]), state: 'loading', version: 0, change: undefined, failure: undefined };
  }

  /** The current result, in its order. The array and its rows are never changed. */
  get rows(): readonly Row[] {
    return this.#last.rows;
  }

  get state(): SubscriptionState {
    return this.#last.state;
  }

  /** The commit that the rows are of. */
  get version(): number {
    return this.#last.version;
  }

  /** Why it has ended, or why the rows are being read anew. */
  get failure(): Failure | undefined {
    return this.#last.failure;
  }

  /** Called with every update. @returns how to stop that */
  listen(listener: Listener<Row>): () => void {
    // The same function twice is two listeners.
    const own: Listener<Row> = (update) => listener(update);
    this.#listeners.add(own);
    return () => {
      this.#listeners.delete(own);
    };
  }

  /** Settles when the first rows are there, or when it ends before that. */
  async ready(): Promise<Result<{ readonly rows: readonly Row[] }>> {
    for await (const { state, rows, failure } of this) {
      if (state === 'ended' && failure !== undefined) return failure;
      if (state === 'synced' || state === 'stale') return { ok: true, rows };
    }
    return { ok: true, rows: this.rows };
  }

  /** Ends it: nothing is told after this. Iterators end. */
  close(): void {
    if (this.state === 'ended') return;
    this.#close();
    this.take({ ...this.#last, state: 'ended', change: undefined, failure: undefined });
    this.#listeners.clear();
  }

  /** For the client, which has news from the server. */
  take(update: Update<Row>): void {
    if (this.state === 'ended') return;
    this.#last = update;
    for (const listener of [...this.#listeners]) callSafely(() => listener(update));
  }

  /**
   * Every update from now on, after one with what there is. A consumer that is slower than the server gets, instead of more than 256 updates
   * that wait, one `reset` with the newest rows.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<Update<Row>> {
    let kept: Update<Row>[] = this.state === 'loading' ? [] : [{ ...this.#last, change: 'reset' }];
    let waiting: ((result: IteratorResult<Update<Row>, undefined>) => void)[] = [];
    let isOver = false;
    const stop = this.listen((update) => {
      const next = waiting.shift();
      if (next !== undefined) next({ value: update, done: false });
      else if (kept.length < MAX_KEPT) kept.push(update);
      else kept = [{ ...update, change: 'reset' }];
      if (update.state === 'ended') finish();
    });
    const finish = (): void => {
      isOver = true;
      stop();
      for (const next of waiting) next({ value: undefined, done: true });
      waiting = [];
    };
    if (this.state === 'ended') finish();
    const iterator: AsyncIterableIterator<Update<Row>> = {
      next: () => {
        const value = kept.shift();
        if (value !== undefined) return Promise.resolve({ value, done: false });
        if (isOver) return Promise.resolve({ value: undefined, done: true });
        return new Promise((resolve) => waiting.push(resolve));
      },
      return: () => {
        kept = [];
        finish();
        return Promise.resolve({ value: undefined, done: true });
      },
      [Symbol.asyncIterator]: () => iterator,
    };
    return iterator;
  }
}

/** A mistake in a user's function is reported as uncaught, and stops nothing here. */
export function callSafely(call: () => void): void {
  try {
    call();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
