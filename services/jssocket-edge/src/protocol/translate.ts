/** What the events of JSSocket mean, and what they look like on their way out: texts in, texts out. */
import {
  type JssocketTold,
  jssocketAsked,
  jssocketNotifiedAll,
  jssocketNotifiedGroup,
  jssocketTold,
} from '@polyedge/contracts/bus/jssocket';
import type { Effect } from '@polyedge/session/session';
import type { Outgoing } from './codec.ts';
import { edgeOf } from './connection-id.ts';
import { isFalsy, type JsonSource, type Member, readObject, stringOf } from './json-source.ts';

export const PUBLIC = 'public';
/** Longer names of groups count as `public`. */
const MAX_GROUP_BYTES = 256;

type Reading<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: string };
const bad = (problem: string) => ({ ok: false, problem }) as const;

/** The members of an event's data; what is absent or false in Python counts as `{}`. */
export function membersOf(data: JsonSource | undefined): Reading<readonly Member[]> {
  if (data === undefined || isFalsy(data)) return { ok: true, value: [] };
  if (data.kind !== 'object') return bad('the data of this event is an object');
  const members = readObject(data.text);
  return members === undefined ? bad('the data of this event has too many members') : { ok: true, value: members };
}

const last = (members: readonly Member[], key: string): JsonSource | undefined => members.findLast((member) => member.key === key)?.value;

/** Whom a notification is for: `nobody` for a value that can be no id and no name. */
export type Target = { readonly kind: 'default' } | { readonly kind: 'nobody' } | { readonly kind: 'named'; readonly name: string };

/** `notify_client` or `notify_group`. */
export interface Notification {
  readonly target: Target;
  /** The source of what is delivered; what is false in Python is delivered as `{}`. */
  readonly payload: string;
  /** The source of the callback, where one is wanted. */
  readonly callback: string | undefined;
}

export function readNotification(data: JsonSource | undefined): Reading<Notification> {
  const members = membersOf(data);
  if (!members.ok) return members;
  const target = readTarget(last(members.value, 'target'));
  if (!target.ok) return target;
  const callback = last(members.value, 'callback');
  return {
    ok: true,
    value: {
      target: target.value,
      payload: payloadOf(last(members.value, 'data')),
      callback: callback === undefined || isFalsy(callback) ? undefined : callback.text,
    },
  };
}

function readTarget(source: JsonSource | undefined): Reading<Target> {
  if (source === undefined || isFalsy(source)) return { ok: true, value: { kind: 'default' } };
  if (source.kind === 'string') return { ok: true, value: { kind: 'named', name: stringOf(source) } };
  if (source.kind === 'object' || source.kind === 'array') return bad('a target is a string');
  return { ok: true, value: { kind: 'nobody' } };
}

/** What is delivered of a payload: its source, or `{}`. */
export const payloadOf = (source: JsonSource | undefined): string => (source === undefined || isFalsy(source) ? '{}' : source.text);

/**
 * The callback of a `notify_group` without one of its own: the original looked into the payload (jssocket.py, 2198bac38), so what is there
 * still counts.
 */
export function callbackInside(payload: string): string | undefined {
  if (!payload.startsWith('{')) return undefined;
  const callback = last(readObject(payload) ?? [], 'callback');
  return callback === undefined || isFalsy(callback) ? undefined : callback.text;
}

/** The `data` that a core is asked with: what the client sent, with its connection id as `target`, in the place of its own if it sent one. */
export function loginData(members: readonly Member[], id: string): string {
  const place = members.findIndex(({ key }) => key === 'target');
  const texts = members.filter(({ key }, at) => key !== 'target' || at === place).map(({ text }) => text);
  texts[place === -1 ? texts.length : place] = `"target":${JSON.stringify(id)}`;
  return `{${texts.join(',')}}`;
}

/** `client_connected`: whom it is about, the group, and what the client is told. */
export interface Confirmation {
  readonly target: string | undefined;
  readonly group: string;
  /** Why the group is not the one that was named. */
  readonly problem: string | undefined;
  readonly data: string;
}

export function readConfirmation(data: JsonSource | undefined): Reading<Confirmation> {
  const members = membersOf(data);
  if (!members.ok) return members;
  const target = readTarget(last(members.value, 'target'));
  if (!target.ok) return target;
  const rest = members.value.filter(({ key }) => key !== 'user').map(({ text }) => text);
  const { group, problem } = readGroup(last(members.value, 'user'));
  return {
    ok: true,
    value: { target: target.value.kind === 'named' ? target.value.name : undefined, group, problem, data: `{${rest.join(',')}}` },
  };
}

function readGroup(source: JsonSource | undefined): { readonly group: string; readonly problem: string | undefined } {
  if (source === undefined || isFalsy(source)) return { group: PUBLIC, problem: undefined };
  if (source.kind !== 'string') return { group: PUBLIC, problem: 'the user of client_connected is a string' };
  const group = stringOf(source);
  if (Buffer.byteLength(group) > MAX_GROUP_BYTES) return { group: PUBLIC, problem: 'the user of client_connected is too long' };
  return { group, problem: undefined };
}

/** The secret of `server_connect` as the first revision sent it (socket_svc.py, 842cd7b0b), or undefined. */
export function secretOf(data: JsonSource | undefined): string | undefined {
  const members = membersOf(data);
  const auth = members.ok ? last(members.value, 'auth') : undefined;
  if (auth === undefined || auth.kind !== 'string') return undefined;
  const secret = stringOf(auth);
  return secret.trim() === '' ? undefined : secret;
}

export type Effects = readonly Effect<Outgoing>[];

export const close = (code: number, reason: string): Effects => [{ do: 'close', code, reason }];
export const GOODBYE = close(1000, '');
export const DROP: Effects = [{ do: 'drop' }];

const text = (json: string): Effect<Outgoing> => ({ do: 'send', frame: { as: 'text', json } });

/** Frames to clients, publishers and cores. Only the request to a core is binary, as the original's is. */
export const frames = {
  payload: text,
  serverConnected: (accepted: boolean) => text(`{"type":"server_connect","data":${accepted}}`),
  clientConnected: (data: string) => text(`{"type":"client_connected","data":${data}}`),
  callback: (data: string) => text(`{"type":"callback","data":${data}}`),
  login: (data: string): Effect<Outgoing> => ({ do: 'send', frame: { as: 'binary', json: `{"type":"client_connect","data":${data}}` } }),
} as const;

/** What goes to other connections, of this edge or another: always over the bus, so that one sender's messages keep their order. */
export function messages(tenant: string) {
  return {
    /** Nothing when the id is no connection's. */
    tell: (connection: string, body: JssocketTold): Effect<Outgoing>[] => {
      const edge = edgeOf(connection);
      return edge === undefined ? [] : [{ do: 'publish', subject: jssocketTold.subject({ tenant, edge, connection }), body }];
    },
    ask: (core: string, client: string, data: string): Effect<Outgoing>[] => {
      const edge = edgeOf(core);
      return edge === undefined ? [] : [{ do: 'publish', subject: jssocketAsked.subject({ tenant, edge, core }), body: { client, data } }];
    },
    group: (group: string, payload: string): Effect<Outgoing>[] => [
      { do: 'publish', subject: jssocketNotifiedGroup.subject({ tenant, group }), body: { group, payload } },
    ],
    all: (payload: string): Effect<Outgoing>[] => [{ do: 'publish', subject: jssocketNotifiedAll.subject({ tenant }), body: { payload } }],
  };
}
