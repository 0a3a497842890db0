/**
 * Two executors side by side: what is large has a connection of its own, so that small writes never wait in a batch with it. The two are to
 * each other as two replicas are: whoever sends writes in order has only one message of them under way.
 */
import type { MutationRequest } from '@polyedge/contracts/bus/graph';
import type { Committed } from '../publisher/recent.ts';
import { Executor, type ExecutorOptions, type ExecutorStats, type Submission } from './executor.ts';
import type { Transactions } from './transactions.ts';

/** Bytes of a message, or characters of a state, from which it is large. */
const LARGE = 64 * 1024;
/** Elements known to be large; the one written longest ago is forgotten first. */
const MAX_KNOWN = 10_000;

export class Lanes {
  readonly #small: Executor;
  readonly #large: Executor;
  readonly #known = new Set<string>();

  /** @param options of the small one, whose overload counts: what is large and too much is refused by itself. */
  constructor(options: ExecutorOptions & { readonly largeWriter: Transactions }) {
    const onCommitted = (changes: readonly Committed[]): void => {
      for (const { change, attributesJson } of changes) this.#note(change.id, attributesJson.length);
      options.onCommitted(changes);
    };
    this.#small = new Executor({ ...options, onCommitted });
    this.#large = new Executor({ ...options, writer: options.largeWriter, onCommitted, onOverload: () => {} });
  }

  /** What both have counted. */
  get stats(): Readonly<ExecutorStats> {
    const [small, large] = [this.#small.stats, this.#large.stats];
    return {
      batches: small.batches + large.batches,
      requests: small.requests + large.requests,
      changes: small.changes + large.changes,
      exclusive: small.exclusive + large.exclusive,
      bisected: small.bisected + large.bisected,
      repeated: small.repeated + large.repeated,
      joined: small.joined + large.joined,
      lookups: small.lookups + large.lookups,
      refused: small.refused + large.refused,
      waitingRequests: small.waitingRequests + large.waitingRequests,
      waitingBytes: small.waitingBytes + large.waitingBytes,
    };
  }

  submit(submission: Submission): ReturnType<Executor['submit']> {
    const large = submission.bytes >= LARGE || (this.#known.size > 0 && submission.requests.some((request) => this.#touchesLarge(request)));
    return (large ? this.#large : this.#small).submit(submission);
  }

  async stop(): Promise<void> {
    await Promise.all([this.#small.stop(), this.#large.stop()]);
  }

  #touchesLarge({ operations }: MutationRequest): boolean {
    return operations.some((operation) => 'target' in operation && 'id' in operation.target && this.#known.has(operation.target.id));
  }

  #note(id: string, characters: number): void {
    if (characters < LARGE) {
      this.#known.delete(id);
      return;
    }
    this.#known.delete(id);
    this.#known.add(id);
    const [oldest] = this.#known;
    if (this.#known.size > MAX_KNOWN && oldest !== undefined) this.#known.delete(oldest);
  }
}
