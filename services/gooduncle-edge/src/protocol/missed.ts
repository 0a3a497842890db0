/**
 * The events that a subscription missed while its client was disconnected (protocol page 4.7): for each resource that changed since, one
 * event with its current state. Applying them gives the current result, even if the client had received some of the events already.
 */
import { type FullChange, stateBefore } from '@polyedge/contracts/change';
import type { Filter } from '@polyedge/query/filter';
import { compile, type Predicate } from '@polyedge/query/predicate';
import type { EventName } from './envelope.ts';
import type { LiveEvent, MatchedChange } from './live-event.ts';

/** Maximum number of changes to catch up with; for more, reading the whole result is cheaper, or required. */
export const MAX_MISSED_CHANGES = 10_000;
const MAX_EVENTS = 5000;
const MAX_CHARACTERS = 32 * 1024 * 1024;

/** A position to resume from: everything up to `seq` was sent, in this history and under these rules. */
export const markOf = (history: string, seq: number): string => `${history}.${seq}`;

/** @returns the seq of a position; undefined if it belongs to another history or other rules, or is invalid */
export function seqOf(mark: string, history: string): number | undefined {
  const [of, seq = ''] = mark.split('.');
  return of === history && /^\d{1,15}$/.test(seq) ? Number(seq) : undefined;
}

interface Missed {
  readonly first: LiveEvent;
  readonly last: LiveEvent;
}

export class MissedEvents {
  /** The catch-up is complete up to this seq. */
  readonly upTo: number;
  readonly #matches: Predicate;
  readonly #byId = new Map<string, Missed>();
  #characters = 0;

  /** @param where the common filter of the query's rows */
  constructor(upTo: number, where: Filter) {
    this.upTo = upTo;
    this.#matches = compile(where);
  }

  /**
   * Adds changes in the order of their commits.
   * @param look returns the event of a change, if it has one
   */
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
    // Events are ordered by the last change of their resource.
    this.#byId.delete(found.id);
    this.#byId.set(found.id, { first: known?.first ?? found, last: found });
  }

  get overflows(): boolean {
    return this.#byId.size > MAX_EVENTS || this.#characters > MAX_CHARACTERS;
  }

  /** A resource that the client had at the position is reported as modified, whatever happened to it; any other one is new. */
  events(): readonly LiveEvent[] {
    return [...this.#byId.values()].map(({ first, last }) => ({ ...last, event: isEnd(last.event) ? last.event : entryOf(first.event) }));
  }
}

const isEnd = (event: EventName): boolean => event === 'match dropped' || event === 'match deleted';
const entryOf = (first: LiveEvent['event']): LiveEvent['event'] =>
  first === 'match created' || first === 'match added' ? first : 'match modified';
