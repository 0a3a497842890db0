/** Events: what a change looks like on events-ws and in REST replay (HIRO WS API, Responses). */
import { type Action, type FullChange, stateBefore } from '@polyedge/contracts/change';
import { StoredChange } from '@polyedge/contracts/change-text';
import { type Element, SYSTEM_SCOPE } from '@polyedge/contracts/element';
import type { Document } from '@polyedge/query/document';
import type { Json } from '@polyedge/query/json';
import { type Shown, toVertex } from './vertex.ts';

/** HIRO's names of what a change did (HIRO WS API; the last two from the types of the JavaScript client). */
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
  /** Only what changed, each attribute prefixed by `+` added, `-` removed, `=` changed. */
  readonly delta: boolean;
  /** Also `identity`, the account that caused it: HIRO 6 had it, no documented event has. */
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
 * The event of a change: exactly the documented keys, in the documented order. `nanotime` is the change's seq, which grows with every
 * change, so clients can order events of one timestamp. Undefined for a change that HIRO never shows.
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

/** What an event filter is evaluated on: the whole element after the change, and what the change did. */
export function eventDocument(change: Pick<FullChange, 'state' | 'action'>): Document {
  if (change instanceof StoredChange) return change;
  return { ...change.state, action: change.action };
}

/** Creating shows everything as added, also where a deleted element had the id before. */
function toDelta(change: FullChange): Shown {
  const made = change.action === 'create' || change.action === 'connect';
  return difference(made ? undefined : stateBefore(change.state, change.undo), change.state);
}

/**
 * `+` and `=` carry the new value, `-` the old one; but where the owner changed, the new one may hear of the vertex for the first time, and nobody
 * is told what it held before.
 */
function difference(before: Element | undefined, after: Element): Shown {
  const old = new Map(before === undefined ? [] : Object.entries(toVertex(before)));
  const entries: [string, Json][] = [];
  for (const [name, value] of Object.entries(toVertex(after))) {
    const was = old.get(name);
    if (was === undefined) entries.push([`+${name}`, value]);
    // Outside of listMeta every shown value is a scalar.
    else if (was !== value) entries.push([`=${name}`, value]);
    old.delete(name);
  }
  const handedOver = before !== undefined && old.size > 0 && ownerOf(before) !== ownerOf(after);
  for (const [name, value] of old) entries.push([`-${name}`, handedOver ? '' : value]);
  return Object.fromEntries(entries);
}

const ownerOf = (element: Element): Json | undefined => toVertex(element, { fields: ['ogit/_owner'] })['ogit/_owner'];
