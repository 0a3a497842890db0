/**
 * What one change is for one query (Good Uncle: the six live events; protocol page 4.1): decided from the states before and after, each
 * judged by itself. Everything here is the same for all subscriptions with the same filter and the same view of rows, so it is worked out
 * once per change and shared.
 */
import type { FullChange } from '@polyedge/contracts/change';
import type { Element } from '@polyedge/contracts/element';
import { equalJson } from '@polyedge/query/equality';
import type { ChangeMatch } from '@polyedge/session/session';
import type { Projection } from './access.ts';
import type { EventName } from './envelope.ts';

export type LiveEventName = Exclude<EventName, 'original match'>;

/** One event about one resource, ready to be put into an answer. */
export interface LiveEvent {
  readonly event: LiveEventName;
  readonly id: string;
  /** JSON text of the resource as the subscriber may see it. */
  readonly payload: string;
  readonly version: number;
  /** JSON text of the stamps of the commit. */
  readonly passport: string;
}

/** Looks at changes for one query. */
export interface QueryView {
  /** Equal for views that see the same in every change. */
  readonly name: string;
  readonly projection: Projection;
}

/** A change as a subscription gets it, with what its filter said of it. */
export interface MatchedChange {
  readonly change: FullChange;
  readonly match: ChangeMatch;
}

/** The living states of a matched change that the query selects, and those that it does not. */
export interface Crossing {
  readonly before: Element | undefined;
  readonly after: Element | undefined;
  /** The living state before is one of the query's rows. */
  readonly was: boolean;
  /** The living state after is one. */
  readonly is: boolean;
}

/** What a matched change means for the rows of its query: deleted elements are no rows. */
export function crossingOf({ change: { state }, match }: MatchedChange): Crossing {
  const before = match.before?.deleted === true ? undefined : match.before;
  const after = state.deleted ? undefined : state;
  return { before, after, was: before !== undefined && match.was, is: after !== undefined && match.is };
}

interface CachedEvents {
  readonly byView: Map<string, LiveEvent | undefined>;
  passport: string | undefined;
  characters: number | undefined;
}

/** What all sessions of an edge share about the changes that are under way: each value is made once and kept as long as the change. */
export class LiveEventCache {
  readonly #entries = new WeakMap<FullChange, CachedEvents>();

  /** About how much memory a change takes: its state as text. */
  charactersOf(change: FullChange): number {
    const entry = this.#entry(change);
    entry.characters ??= JSON.stringify(change.state).length;
    return entry.characters;
  }

  /** The passport of a commit's events. */
  passport(change: FullChange, make: () => string): string {
    const entry = this.#entry(change);
    entry.passport ??= make();
    return entry.passport;
  }

  /** @returns undefined where the subscriber gets no event */
  of(matched: MatchedChange, queryView: QueryView, passport: () => string): LiveEvent | undefined {
    const { change } = matched;
    const { byView } = this.#entry(change);
    if (byView.has(queryView.name)) return byView.get(queryView.name);
    const found = look(matched, queryView, () => this.passport(change, passport));
    byView.set(queryView.name, found);
    return found;
  }

  #entry(change: FullChange): CachedEvents {
    let entry = this.#entries.get(change);
    if (entry === undefined) {
      entry = { byView: new Map(), passport: undefined, characters: undefined };
      this.#entries.set(change, entry);
    }
    return entry;
  }
}

function look(matched: MatchedChange, { projection }: QueryView, passport: () => string): LiveEvent | undefined {
  const { before, after, was, is } = crossingOf(matched);
  const { change } = matched;
  const make = (event: LiveEventName, payload: string): LiveEvent => ({
    event,
    id: change.id,
    payload,
    version: change.last,
    passport: passport(),
  });
  if (is && after !== undefined) {
    const resource = projection.resource(after);
    if (was && before !== undefined && equalJson(projection.resource(before), resource)) return undefined;
    return make(before === undefined ? 'match created' : was ? 'match modified' : 'match added', JSON.stringify(resource));
  }
  if (!was || before === undefined) return undefined;
  if (after === undefined) return make('match deleted', JSON.stringify(projection.resource(before)));
  return make('match dropped', droppedText(after, projection));
}

/** A row that left: as it is now where it may still be seen, else only its id, which the client had. */
export const droppedText = (row: Element, projection: Projection): string =>
  JSON.stringify(projection.sees(row) ? projection.resource(row) : { id: row.id });
