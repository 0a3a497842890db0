/**
 * What a subscription missed while its client was away (protocol page 4.7): of each resource with events since then, one that says how it is
 * now. Whoever applies them has the current result, also if the client had heard of some of those events already.
 */
import { type FullChange, stateBefore } from '@polyedge/contracts/change';
import type { Filter } from '@polyedge/query/filter';
import { compile, type Predicate } from '@polyedge/query/predicate';
import type { EventName } from './envelope.ts';
import type { LiveEvent, MatchedChange } from './live-event.ts';

/** More is not caught up with: a read of the whole result is cheaper, or has to do. */
export const MAX_MISSED_CHANGES = 10_000;
const MAX_EVENTS = 5000;
const MAX_CHARACTERS = 32 * 1024 * 1024;

/** Where a subscription may go on: everything up to `seq` was told, in this history and under these rules. */
export const markOf = (history: string, seq: number): string => `${history}.${seq}`;

/** @returns the seq of a mark; undefined for one of another history or other rules, and for what is none */
export function seqOf(mark: string, history: string): number | undefined {
  const [of, seq = ''] = mark.split('.');
  return of === history && /^\d{1,15}$/.test(seq) ? Number(seq) : undefined;
}

interface Missed {
  readonly first: LiveEvent;
  readonly last: LiveEvent;
}

export class MissedEvents {
  /** What is caught up with: everything up to this seq. */
  readonly upTo: number;
  readonly #matches: Predicate;
  readonly #byId = new Map<string, Missed>();
  #characters = 0;

  /** @param where what rows of the query have in common */
  constructor(upTo: number, where: Filter) {
    this.upTo = upTo;
    this.#matches = compile(where);
  }

  /** Changes in the order of their commits. @param look the event of one of them, if it has one */
  add(changes: readonly FullChange[], look: (matched: MatchedChange) => LiveEvent | undefined): void {
    for (const change of changes) {
      const before = stateBefore(change.state, change.undo);
      const match = { before, was: before !== undefined && this.#matches(before), is: this.#matches(change.state) };
      const found = look({ change, match });
      if (found !== undefined) this.#keep(found);
    }
  }

  #keep(found: LiveEvent): void {
    const known = this.#byId.get(found.id);
    this.#characters += found.payload.length - (known?.last.payload.length ?? 0);
    // The newest one comes last, as it was told last.
    this.#byId.delete(found.id);
    this.#byId.set(found.id, { first: known?.first ?? found, last: found });
  }

  get overflows(): boolean {
    return this.#byId.size > MAX_EVENTS || this.#characters > MAX_CHARACTERS;
  }

  /** A resource that the client had at the mark is modified, whatever happened to it meanwhile; one that it had not is new to it. */
  events(): readonly LiveEvent[] {
    return [...this.#byId.values()].map(({ first, last }) => ({ ...last, event: isEnd(last.event) ? last.event : entryOf(first.event) }));
  }
}

const isEnd = (event: EventName): boolean => event === 'match dropped' || event === 'match deleted';
const entryOf = (first: LiveEvent['event']): LiveEvent['event'] =>
  first === 'match created' || first === 'match added' ? first : 'match modified';
