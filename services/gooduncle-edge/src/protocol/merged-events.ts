/**
 * Events not sent to a subscriber yet, because its client reads slowly or the subscription is throttled. The events of one resource are
 * merged into an equivalent one (protocol page 4.5).
 */
import type { LiveEvent, LiveEventName } from './live-event.ts';

/**
 * Maximum pending events of one subscription, and of all subscriptions of a session: a subscription that exceeds them ends with an error.
 */
export const PENDING_LIMITS = { ids: 10_000, bytes: 4 * 1024 * 1024, sessionBytes: 16 * 1024 * 1024 } as const;

/** Totals over all subscriptions of a session. */
export interface KeptTotals {
  bytes: number;
}

export class MergedEvents {
  /** In the order in which resources first changed. Two entries only for a deletion followed by a creation. */
  readonly #byId = new Map<string, readonly LiveEvent[]>();
  readonly #kept: KeptTotals;
  #bytes = 0;
  #events = 0;

  constructor(kept: KeptTotals) {
    this.#kept = kept;
  }

  get size(): number {
    return this.#byId.size;
  }

  /** Number of events added since it was last empty. */
  get events(): number {
    return this.#events;
  }

  get overflows(): boolean {
    const { ids, bytes, sessionBytes } = PENDING_LIMITS;
    return this.#byId.size > ids || this.#bytes > bytes || this.#kept.bytes > sessionBytes;
  }

  has(id: string): boolean {
    return this.#byId.has(id);
  }

  ids(): IterableIterator<string> {
    return this.#byId.keys();
  }

  add(next: LiveEvent): void {
    this.#events += 1;
    const waiting = this.#byId.get(next.id) ?? [];
    const merged = merge(waiting, next);
    this.#count(bytesOf(merged) - bytesOf(waiting));
    if (merged.length === 0) this.#byId.delete(next.id);
    else this.#byId.set(next.id, merged);
  }

  /** Removes and returns the events of one resource. */
  take(id: string): readonly LiveEvent[] {
    const waiting = this.#byId.get(id) ?? [];
    this.#byId.delete(id);
    this.#count(-bytesOf(waiting));
    if (this.#byId.size === 0) this.#events = 0;
    return waiting;
  }

  clear(): void {
    this.#byId.clear();
    this.#count(-this.#bytes);
    this.#events = 0;
  }

  #count(bytes: number): void {
    this.#bytes += bytes;
    this.#kept.bytes += bytes;
  }
}

const bytesOf = (waiting: readonly LiveEvent[]): number => waiting.reduce((sum, { payload }) => sum + payload.length + 100, 0);

function merge(waiting: readonly LiveEvent[], next: LiveEvent): readonly LiveEvent[] {
  const last = waiting.at(-1);
  if (last === undefined) return [next];
  const event = mergedEvent(last.event, next.event);
  const earlier = waiting.slice(0, -1);
  if (event === 'both') return [...waiting, next];
  return event === 'nothing' ? earlier : [...earlier, { ...next, event }];
}

/** Merges two consecutive events of the same resource. */
function mergedEvent(first: LiveEventName, then: LiveEventName): LiveEventName | 'nothing' | 'both' {
  switch (first) {
    case 'match created':
    case 'match added':
      return then === 'match dropped' || then === 'match deleted' ? 'nothing' : first;
    case 'match modified':
      return then;
    case 'match dropped':
      return then === 'match deleted' ? 'match deleted' : 'match modified';
    case 'match deleted':
      return 'both';
  }
}
