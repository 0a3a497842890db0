/**
 * What a subscriber is owed and has not been sent yet: its client reads slowly, or asked for events at most so often. Events of one resource
 * become one that says the same (protocol page 4.5).
 */
import type { LiveEvent, LiveEventName } from './live-event.ts';

/** More than this is not kept for one subscription, and for all of a session together: the one that wants more ends, and says so. */
export const PENDING_LIMITS = { ids: 10_000, bytes: 4 * 1024 * 1024, sessionBytes: 16 * 1024 * 1024 } as const;

/** What all subscriptions of a session keep. */
export interface Kept {
  bytes: number;
}

export class MergedEvents {
  /** In the order in which resources first changed. Two entries only for a deletion and the creation that followed it. */
  readonly #byId = new Map<string, readonly LiveEvent[]>();
  readonly #kept: Kept;
  #bytes = 0;
  #events = 0;

  constructor(kept: Kept) {
    this.#kept = kept;
  }

  get size(): number {
    return this.#byId.size;
  }

  /** How many events were put in since it was last empty. */
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

  /** Takes out what waits for one resource. */
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

/** One event that says what two of the same resource say one after the other. */
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
