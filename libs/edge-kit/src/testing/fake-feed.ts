/** A feed that delivers the test's changes, each to all watches before the next, like the real one. */
import type { FullChange } from '@polyedge/contracts/change';
import type { Failure } from '@polyedge/contracts/errors';
import { covers, type Interest, interestName } from '@polyedge/contracts/interest';
import type { Feed, Watch, WatchHandler } from '../feed/watch.ts';

interface Watching {
  readonly interest: Interest;
  readonly handler: WatchHandler;
}

export class FakeFeed implements Feed {
  readonly #watches = new Set<Watching>();
  readonly #waiting = new Set<{ readonly seq: number; readonly callback: (reached: boolean) => void }>();
  readonly epoch: string;
  seq = 0;
  /** New watches go live only by `goLive`, instead of in the next microtask. */
  manual = false;

  constructor(epoch = 'e1') {
    this.epoch = epoch;
  }

  get watches(): number {
    return this.#watches.size;
  }

  watch(interest: Interest, handler: WatchHandler): Watch {
    const watching = { interest, handler };
    this.#watches.add(watching);
    if (!this.manual) {
      queueMicrotask(() => {
        if (this.#watches.has(watching)) handler.live(this.seq, this.epoch);
      });
    }
    return { close: () => void this.#watches.delete(watching) };
  }

  whenDelivered(_tenant: string, _epoch: string, seq: number, _timeoutMs: number, callback: (reached: boolean) => void): Watch {
    const waiting = { seq, callback };
    if (seq <= this.seq) callback(true);
    else this.#waiting.add(waiting);
    return { close: () => void this.#waiting.delete(waiting) };
  }

  goLive(): void {
    for (const { handler } of [...this.#watches]) handler.live(this.seq, this.epoch);
  }

  /** One tick with these changes. */
  deliver(...changes: readonly FullChange[]): void {
    for (const change of changes) {
      this.seq = change.seq;
      for (const watching of [...this.#watches]) {
        if (!this.#watches.has(watching) || !covers(watching.interest, change)) continue;
        watching.handler.change(change);
      }
    }
    for (const waiting of [...this.#waiting]) {
      if (waiting.seq > this.seq) continue;
      this.#waiting.delete(waiting);
      waiting.callback(true);
    }
  }

  /** One tick with a change that reaches only some interests: the others wait for a body, or receive it in the next tick. */
  deliverTo(change: FullChange, ...interests: readonly Interest[]): void {
    this.seq = Math.max(this.seq, change.seq);
    const names = interests.map(interestName);
    for (const { interest, handler } of [...this.#watches]) if (names.includes(interestName(interest))) handler.change(change);
  }

  /** Sets the seq that an interest waits for. */
  wait(interest: Interest, seq: number | undefined): void {
    for (const watching of [...this.#watches])
      if (interestName(watching.interest) === interestName(interest)) watching.handler.waits?.(seq);
  }

  /** Times out every `whenDelivered`. */
  giveUp(): void {
    for (const { callback } of [...this.#waiting]) callback(false);
    this.#waiting.clear();
  }

  /** Ends the watches of an interest, or all. */
  lose(failure: Failure = { code: 'lost' }, of?: Interest): void {
    const lost = [...this.#watches].filter(({ interest }) => of === undefined || interestName(interest) === interestName(of));
    for (const watching of lost) this.#watches.delete(watching);
    for (const { handler } of lost) handler.lost(failure);
  }
}

/** A change of a vertex: only what a test names matters. */
export function changeOf(
  seq: number,
  own: Partial<FullChange> & { readonly attributes?: FullChange['state']['attributes'] } = {},
): FullChange {
  const { attributes = {}, ...rest } = own;
  const id = rest.id ?? `n${seq}`;
  const type = rest.type ?? 'ogit/Note';
  const stamp = { on: 1_700_000_000_000, by: 'ann', app: 'test' };
  const place = { tenant: 't', id, kind: 'vertex', type, scope: 's' } as const;
  return {
    seq,
    epoch: 'e1',
    ...place,
    owners: [id],
    action: 'create',
    version: 1,
    ...stamp,
    origin: { protocol: 'hiro', way: 'socket', operation: 'create' },
    operationId: seq.toString(16).padStart(32, '0'),
    first: seq,
    last: seq,
    state: { ...place, attributes, version: 1, seq, created: stamp, modified: stamp, deleted: false },
    undo: { fresh: true, set: {}, unset: [], version: 0, seq: 0, deleted: false },
    ...rest,
  };
}
