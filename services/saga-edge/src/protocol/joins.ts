/** The join/leave pairs (Saga protocol page, 3.2 and 3.3): the subscriptions of each, and the required right. */
import type { RunnableType } from '@polyedge/contracts/bus/runnables';
import type { Interest } from '@polyedge/contracts/interest';
import type { Filter } from '@polyedge/query/filter';
import { attribute, both, equal, GLOBALS_ID, isObject, ofType, TYPES } from '@polyedge/saga/elements';
import type { View } from '@polyedge/session/session';

/** The meaning of a base name such as `/users` or `/jobs/versions`. */
export type Room =
  | { readonly of: 'parent'; readonly kind: 'user' | 'bot' }
  | { readonly of: 'globals' }
  | { readonly of: 'runnable'; readonly runnable: RunnableType; readonly what: 'runnable_calls' | 'runnable_logs' | 'versions' }
  | { readonly of: 'npm' };

const ROOMS: ReadonlyMap<string, Room> = new Map<string, Room>([
  ['/users', { of: 'parent', kind: 'user' }],
  ['/bots', { of: 'parent', kind: 'bot' }],
  ['/globals', { of: 'globals' }],
  ['/npm_packages', { of: 'npm' }],
  ...(['scripts', 'jobs'] as const).flatMap((runnable) =>
    (['runnable_calls', 'runnable_logs', 'versions'] as const).map((what): [string, Room] => [
      `/${runnable}/${what}`,
      { of: 'runnable', runnable, what },
    ]),
  ),
]);

/** The room of a base name, and the base name of a room. */
export const roomOf = (base: string): Room | undefined => ROOMS.get(base);
export function baseOf(room: Room): string {
  switch (room.of) {
    case 'parent':
      return `/${room.kind}s`;
    case 'globals':
      return '/globals';
    case 'npm':
      return '/npm_packages';
    case 'runnable':
      return `/${room.runnable}/${room.what}`;
  }
}

/** The id in a payload: bare, or in one of the members that clients use. Undefined for none, `''` or null. */
export function idOf(payload: unknown): string | undefined {
  if (typeof payload === 'string') return payload === '' ? undefined : payload;
  if (!isObject(payload)) return undefined;
  const { id, _id, user_id, bot_id, script_id, job_id } = payload;
  return [id, _id, user_id, bot_id, script_id, job_id].find((value): value is string => typeof value === 'string' && value !== '');
}

/** Whether a join may have an id; others ignore it. */
export const takesId = (room: Room): boolean => room.of === 'parent' || room.of === 'runnable';

/** Whether a join without an id is an error. */
export const needsId = (room: Room): boolean => room.of === 'parent' || (room.of === 'runnable' && room.what !== 'runnable_calls');

/** The route whose `get` right a join requires (1.5). */
export function routeOf(room: Room, id: string | undefined): string {
  switch (room.of) {
    case 'parent':
      return `/${room.kind}s/${id ?? ''}`;
    case 'globals':
      return '/globals/properties';
    case 'npm':
      return '/npm_packages';
    case 'runnable':
      return id === undefined ? `/${room.runnable}/${room.what}` : `/${room.runnable}/${id}/${room.what}`;
  }
}

/** A name that is equal for joins of the same room. */
export const roomName = (room: Room, id: string | undefined): string => `${routeOf(room, id)}#`;

/** The parent id of the signals that a room receives. */
export function signalsOf(room: Room, id: string | undefined): string | undefined {
  if (room.of === 'globals') return GLOBALS_ID;
  return room.of === 'parent' ? id : undefined;
}

export interface Watching {
  readonly to: Interest;
  readonly view: View;
}

/**
 * Shapes of views: they select the result of `translate`. An incoming message contains its recipient, so each recipient has its own shape.
 */
export const INCOMING = 'incoming:';

const PROPERTY_OF = (parent: string): Filter => both(ofType(TYPES.property), equal(attribute('parent_id'), parent));
const WHAT = { runnable_calls: ['call', TYPES.call], runnable_logs: ['log', TYPES.log], versions: ['version', TYPES.version] } as const;

/**
 * The subscriptions of a join. If a socket has several that show the same event, it receives the event once, because they have the same
 * shape.
 */
export function watchesOf(room: Room, id: string | undefined, tenant: string, legacyMessages: boolean): readonly Watching[] {
  switch (room.of) {
    case 'globals':
      return [{ to: { tenant, owner: GLOBALS_ID }, view: { filter: PROPERTY_OF(GLOBALS_ID), shape: 'property' } }];
    case 'npm':
      return [{ to: { tenant, type: TYPES.npmPackage }, view: { filter: ofType(TYPES.npmPackage), shape: 'npm' } }];
    case 'runnable': {
      const [shape, type] = WHAT[room.what];
      const all = both(ofType(type), equal(attribute('runnable_type'), room.runnable));
      const filter = id === undefined ? all : both(all, equal(attribute('runnable_id'), id));
      return [{ to: { tenant, type }, view: { filter, shape } }];
    }
    case 'parent': {
      const parent = id ?? '';
      const to = { tenant, owner: parent };
      const recipients: Filter = { test: 'contains', path: attribute(`${room.kind}_ids`), value: parent };
      const sent = both(ofType(TYPES.message), equal(attribute('sender_id'), parent));
      const received = both(ofType(TYPES.message), recipients, { not: equal(attribute('sender_id'), parent) });
      const watches = [
        { to, view: { filter: PROPERTY_OF(parent), shape: 'property' } },
        { to, view: { filter: sent, shape: 'outgoing' } },
        { to, view: { filter: received, shape: `${INCOMING}${parent}` } },
      ];
      return legacyMessages ? [...watches, { to, view: { filter: ofType(TYPES.message), shape: 'messages' } }] : watches;
    }
  }
}
