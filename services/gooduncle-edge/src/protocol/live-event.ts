/**
 * The event of a change for a query (Good Uncle: the six live events; protocol page 4.1), derived by matching the states before and after
 * independently. Results are the same for all subscriptions with the same filter and visible rows, so they are computed once per change and
 * shared.
 */
import type { FullChange } from '@polyedge/contracts/change';
import type { Element } from '@polyedge/contracts/element';
import { equalJson } from '@polyedge/query/equality';
import { jsonCharacters } from '@polyedge/query/json-size';
import type { ChangeMatch } from '@polyedge/session/session';
import type { Projection } from './access.ts';
import type { EventName } from './envelope.ts';

export type LiveEventName = Exclude<EventName, 'original match'>;

/** One event about one resource, ready to be inserted into an answer. */
export interface LiveEvent {
  readonly event: LiveEventName;
  readonly id: string;
  /** JSON text of the resource as the subscriber may see it. */
  readonly payload: string;
  readonly version: number;
  /** JSON text of the stamps of the commit. */
  readonly passport: string;
}

/** A query's view of changes. */
export interface QueryView {
  /** Equal for views that show the same for every change. */
  readonly name: string;
  readonly projection: Projection;
}

/** A change as delivered to a subscription, with the result of its filter. */
export interface MatchedChange {
  readonly change: FullChange;
  readonly match: ChangeMatch;
}

/** The living states of a matched change, split by whether the query selects them. */
export interface Crossing {
  readonly before: Element | undefined;
  readonly after: Element | undefined;
  /** The state before is living and one of the query's rows. */
  readonly was: boolean;
  /** The state after is living and one of the query's rows. */
  readonly is: boolean;
}

/** Converts a matched change to a transition of the query's rows, which do not include deleted elements. */
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

/** Values derived from changes, shared by all sessions of an edge. Each is computed once and cached for the lifetime of the change. */
export class LiveEventCache {
  readonly #entries = new WeakMap<FullChange, CachedEvents>();

  /** Approximate memory of a change: the length of its state as text. */
  charactersOf(change: FullChange): number {
    const entry = this.#entry(change);
    entry.characters ??= jsonCharacters(change.state);
    return entry.characters;
  }

  /** The passport of a commit's events. */
  passport(change: FullChange, make: () => string): string {
    const entry = this.#entry(change);
    entry.passport ??= make();
    return entry.passport;
  }

  /** @returns undefined if the subscriber gets no event */
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

/** A row that left the result: its current state if it is still visible, else only its id, which the client had. */
export const droppedText = (row: Element, projection: Projection): string =>
  JSON.stringify(projection.sees(row) ? projection.resource(row) : { id: row.id });
