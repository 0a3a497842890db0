/** Events: how a change is shown on events-ws and in REST replay (HIRO WS API, Responses). */
import { type Action, type FullChange, stateBefore } from '@polyedge/contracts/change';
import { StoredChange } from '@polyedge/contracts/change-text';
import { type Element, SYSTEM_SCOPE } from '@polyedge/contracts/element';
import type { Document } from '@polyedge/query/document';
import type { Json } from '@polyedge/query/json';
import { type Shown, toVertex } from './vertex.ts';

/** HIRO's names of actions (HIRO WS API; the last two from the types of the JavaScript client). */
export const EVENT_TYPES = {
  create: 'CREATE',
  update: 'UPDATE',
  replace: 'REPLACE',
  delete: 'DELETE',
  connect: 'CONNECT',
  disconnect: 'DISCONNECT',
  'write-values': 'WRITE_TIMESERIES',
  'write-blob': 'WRITE_BLOB',
  'delete-blob': 'DELETE_BLOB',
} as const satisfies Record<Action, string>;

export type EventType = (typeof EVENT_TYPES)[Action];

export interface EventShape {
  /** Only the differences, each attribute prefixed by `+` added, `-` removed, `=` changed. */
  readonly delta: boolean;
  /** Adds `identity`, the account that caused the change: HIRO 6 had it, no documented event has. */
  readonly legacy?: boolean;
}

export interface Event {
  readonly id: string;
  readonly body: Shown;
  readonly metadata: Shown;
  readonly nanotime: number;
  readonly timestamp: number;
  readonly type: EventType;
  readonly identity?: string;
}

/**
 * The event of a change, with exactly the documented keys in the documented order. `nanotime` is the change's seq, which always grows, so
 * clients can order events with the same timestamp. Undefined for changes that HIRO never shows.
 */
export function toEvent(change: FullChange, shape: EventShape): Event | undefined {
  const { state } = change;
  if (state.scope === SYSTEM_SCOPE) return undefined;
  return {
    id: change.id,
    body: shape.delta ? toDelta(change) : toVertex(state),
    metadata: {
      'ogit/_modified-by': state.modified.by,
      'ogit/_modified-by-app': state.modified.app,
      'ogit/_modified-on': state.modified.on,
    },
    nanotime: change.seq,
    timestamp: change.on,
    type: EVENT_TYPES[change.action],
    ...(shape.legacy === true && { identity: change.by }),
  };
}

/** The document that event filters are applied to: the element after the change, and its action. */
export function eventDocument(change: Pick<FullChange, 'state' | 'action'>): Document {
  if (change instanceof StoredChange) return change;
  return { ...change.state, action: change.action };
}

/** Creating shows everything as added, even if a deleted element had the id before. */
function toDelta(change: FullChange): Shown {
  const made = change.action === 'create' || change.action === 'connect';
  return difference(made ? undefined : stateBefore(change.state, change.undo), change.state);
}

/**
 * `+` and `=` have the new value, `-` the old one. If the owner changed, old values are omitted, because the new owner may not have been
 * allowed to see them.
 */
function difference(before: Element | undefined, after: Element): Shown {
  const old = new Map(before === undefined ? [] : Object.entries(toVertex(before)));
  const entries: [string, Json][] = [];
  for (const [name, value] of Object.entries(toVertex(after))) {
    const was = old.get(name);
    if (was === undefined) entries.push([`+${name}`, value]);
    // Except with listMeta, every shown value is a scalar.
    else if (was !== value) entries.push([`=${name}`, value]);
    old.delete(name);
  }
  const handedOver = before !== undefined && old.size > 0 && ownerOf(before) !== ownerOf(after);
  for (const [name, value] of old) entries.push([`-${name}`, handedOver ? '' : value]);
  return Object.fromEntries(entries);
}

const ownerOf = (element: Element): Json | undefined => toVertex(element, { fields: ['ogit/_owner'] })['ogit/_owner'];
