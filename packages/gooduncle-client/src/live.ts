/** A live subscription, as the application uses it. */
import type { Failure, Result, SubscriptionState, Update } from './types.ts';

type Listener<Row> = (update: Update<Row>) => void;

/** Maximum updates buffered for a slow iterator. */
const MAX_KEPT = 256;

export class Live<Row> implements AsyncIterable<Update<Row>> {
  #last: Update<Row>;
  readonly #listeners = new Set<Listener<Row>>();
  readonly #close: () => void;

  constructor(close: () => void) {
    this.#close = close;
    this.#last = { rows: Object.freeze([]), state: 'loading', version: 0, change: undefined, failure: undefined };
  }

  /** The current result, in order. The array and its rows are never modified. */
  get rows(): readonly Row[] {
    return this.#last.rows;
  }

  get state(): SubscriptionState {
    return this.#last.state;
  }

  /** The version of the rows. */
  get version(): number {
    return this.#last.version;
  }

  /** Why it has ended, or why the rows are being read again. */
  get failure(): Failure | undefined {
    return this.#last.failure;
  }

  /** Subscribes to updates. @returns a function that unsubscribes */
  listen(listener: Listener<Row>): () => void {
    // The same function can subscribe twice.
    const own: Listener<Row> = (update) => listener(update);
    this.#listeners.add(own);
    return () => {
      this.#listeners.delete(own);
    };
  }

  /** Resolves when the first rows have arrived, or when the subscription ends before. */
  async ready(): Promise<Result<{ readonly rows: readonly Row[] }>> {
    for await (const { state, rows, failure } of this) {
      if (state === 'ended' && failure !== undefined) return failure;
      if (state === 'synced' || state === 'stale') return { ok: true, rows };
    }
    return { ok: true, rows: this.rows };
  }

  /** Ends the subscription: no listener is called afterwards. Iterators end. */
  close(): void {
    if (this.state === 'ended') return;
    this.#close();
    this.take({ ...this.#last, state: 'ended', change: undefined, failure: undefined });
    this.#listeners.clear();
  }

  /** For the client: applies an update from the server. */
  take(update: Update<Row>): void {
    if (this.state === 'ended') return;
    this.#last = update;
    for (const listener of [...this.#listeners]) callSafely(() => listener(update));
  }

  /**
   * Every update from now on, starting with the current rows. A consumer that falls more than 256 updates behind gets one `reset` with the
   * newest rows instead.
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

/** An exception in an application's function is reported as uncaught, and does not affect the client. */
export function callSafely(call: () => void): void {
  try {
    call();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
