/**
 * What one change is for one query (Good Uncle: the six live events; protocol page 4.1): decided from the states before and after, each
 * judged by itself. Everything here is the same for all subscriptions with the same filter and the same view of rows, so it is worked out
 * once per change and shared.
 */
import { type FullChange, stateBefore } from '@polyedge/contracts/change';
import type { Element } from '@polyedge/contracts/element';
import { equalJson } from '@polyedge/query/equality';
import type { Predicate } from '@polyedge/query/predicate';
import type { Showing } from './access.ts';
import type { EventName } from './envelope.ts';

export type LiveEvent = Exclude<EventName, 'original match'>;

/** One event about one resource, ready to be put into an answer. */
export interface Happening {
  readonly event: LiveEvent;
  readonly id: string;
  /** JSON text of the resource as the subscriber may see it. */
  readonly payload: string;
  readonly version: number;
  /** JSON text of the stamps of the commit. */
  readonly passport: string;
}

/** Looks at changes for one query. */
export interface Lens {
  /** Equal for lenses that see the same in every change. */
  readonly name: string;
  /** Whether a living row is one of the query's. */
  readonly matches: Predicate;
  readonly showing: Showing;
}

/** What is known of a change by now. Kept as long as the change itself. */
interface Known {
  readonly before: Element | undefined;
  readonly byLens: Map<string, Happening | undefined>;
  passport: string | undefined;
  characters: number | undefined;
}

const knowns = new WeakMap<FullChange, Known>();

function knownOf(change: FullChange): Known {
  let known = knowns.get(change);
  if (known === undefined) {
    const before = stateBefore(change.state, change.undo);
    known = { before: before?.deleted === true ? undefined : before, byLens: new Map(), passport: undefined, characters: undefined };
    knowns.set(change, known);
  }
  return known;
}

/** The living state before a change. */
export const livingBefore = (change: FullChange): Element | undefined => knownOf(change).before;

/** The living state after it. */
export const livingAfter = (change: FullChange): Element | undefined => (change.state.deleted ? undefined : change.state);

/** How much keeping a change costs, about: its state as text. Worked out once for all that keep it. */
export function charactersOf(change: FullChange): number {
  const known = knownOf(change);
  known.characters ??= JSON.stringify(change.state).length;
  return known.characters;
}

/** The passport of a commit's events: made once, shared by all. */
export function commitPassport(change: FullChange, make: () => string): string {
  const known = knownOf(change);
  known.passport ??= make();
  return known.passport;
}

/** @returns undefined where the subscriber is to hear nothing */
export function happening(change: FullChange, lens: Lens, passport: () => string): Happening | undefined {
  const known = knownOf(change);
  if (known.byLens.has(lens.name)) return known.byLens.get(lens.name);
  const found = look(change, known.before, lens, () => commitPassport(change, passport));
  known.byLens.set(lens.name, found);
  return found;
}

function look(change: FullChange, before: Element | undefined, { matches, showing }: Lens, passport: () => string): Happening | undefined {
  const after = livingAfter(change);
  const was = before !== undefined && matches(before);
  const is = after !== undefined && matches(after);
  if (!was && !is) return undefined;
  const make = (event: LiveEvent, payload: string): Happening => ({
    event,
    id: change.id,
    payload,
    version: change.last,
    passport: passport(),
  });
  if (is) {
    const resource = showing.resource(after);
    if (was && equalJson(showing.resource(before), resource)) return undefined;
    return make(before === undefined ? 'match created' : was ? 'match modified' : 'match added', JSON.stringify(resource));
  }
  if (before === undefined) return undefined;
  if (after === undefined) return make('match deleted', JSON.stringify(showing.resource(before)));
  return make('match dropped', droppedText(after, showing));
}

/** A row that left: as it is now where it may still be seen, else only its id, which the client had. */
export const droppedText = (row: Element, showing: Showing): string =>
  JSON.stringify(showing.sees(row) ? showing.resource(row) : { id: row.id });
