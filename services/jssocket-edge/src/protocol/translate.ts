/** Parses the events of JSSocket and builds outgoing ones: texts in, texts out. */
import {
  type JssocketMessage,
  jssocketAsked,
  jssocketNotifiedAll,
  jssocketNotifiedGroup,
  jssocketTold,
} from '@polyedge/contracts/bus/jssocket';
import type { Effect } from '@polyedge/session/session';
import type { Outgoing } from './codec.ts';
import { edgeOf } from './connection-id.ts';
import { isFalsy, type JsonMember, type JsonSource, readObject, stringOf } from './json-source.ts';
import type { GroupProblem, Problem } from './problems.ts';

export const PUBLIC = 'public';
/** Longer names of groups count as `public`. */
const MAX_GROUP_BYTES = 256;

type ParsedEvent<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: Problem };
const bad = (problem: Problem) => ({ ok: false, problem }) as const;

/** The members of an event's data; a value that is absent or false in Python counts as `{}`. */
export function membersOf(data: JsonSource | undefined): ParsedEvent<readonly JsonMember[]> {
  if (data === undefined || isFalsy(data)) return { ok: true, value: [] };
  if (data.kind !== 'object') return bad('the data of this event must be an object');
  const members = readObject(data.text);
  return members === undefined ? bad('the data of this event has too many members') : { ok: true, value: members };
}

const last = (members: readonly JsonMember[], key: string): JsonSource | undefined =>
  members.findLast((member) => member.key === key)?.value;

/** The recipient of a notification: `nobody` for a value that is neither an id nor a name. */
export type Target = { readonly kind: 'default' } | { readonly kind: 'nobody' } | { readonly kind: 'named'; readonly name: string };

/** `notify_client` or `notify_group`. */
export interface Notification {
  readonly target: Target;
  /** The source text to deliver; `{}` for a value that is false in Python. */
  readonly payload: string;
  /** The source text of the callback, if one is requested. */
  readonly callback: string | undefined;
}

export function readNotification(data: JsonSource | undefined): ParsedEvent<Notification> {
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

function readTarget(source: JsonSource | undefined): ParsedEvent<Target> {
  if (source === undefined || isFalsy(source)) return { ok: true, value: { kind: 'default' } };
  if (source.kind === 'string') return { ok: true, value: { kind: 'named', name: stringOf(source) } };
  if (source.kind === 'object' || source.kind === 'array') return bad('a target must be a string');
  return { ok: true, value: { kind: 'nobody' } };
}

/** The payload to deliver: its source text, or `{}`. */
export const payloadOf = (source: JsonSource | undefined): string => (source === undefined || isFalsy(source) ? '{}' : source.text);

/**
 * The callback of a `notify_group` without one of its own: the original also looks into the payload (jssocket.py, 2198bac38), so this does
 * as well.
 */
export function callbackInside(payload: string): string | undefined {
  if (!payload.startsWith('{')) return undefined;
  const callback = last(readObject(payload) ?? [], 'callback');
  return callback === undefined || isFalsy(callback) ? undefined : callback.text;
}

/** The `data` of the request to a core: the client's data, with its connection id as `target`, replacing its own `target` if there is one. */
export function loginData(members: readonly JsonMember[], id: string): string {
  const place = members.findIndex(({ key }) => key === 'target');
  const texts = members.filter(({ key }, at) => key !== 'target' || at === place).map(({ text }) => text);
  texts[place === -1 ? texts.length : place] = `"target":${JSON.stringify(id)}`;
  return `{${texts.join(',')}}`;
}

/** `client_connected`: the client, its group, and the data for it. */
export interface Confirmation {
  readonly target: string | undefined;
  readonly group: string;
  /** Why the named group was not used. */
  readonly problem: GroupProblem | undefined;
  readonly data: string;
}

export function readConfirmation(data: JsonSource | undefined): ParsedEvent<Confirmation> {
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

function readGroup(source: JsonSource | undefined): { readonly group: string; readonly problem: GroupProblem | undefined } {
  if (source === undefined || isFalsy(source)) return { group: PUBLIC, problem: undefined };
  if (source.kind !== 'string') return { group: PUBLIC, problem: 'the user of client_connected must be a string' };
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

/** Frames to clients, publishers and cores. Only the request to a core is binary, as in the original. */
export const frames = {
  payload: text,
  serverConnected: (accepted: boolean) => text(`{"type":"server_connect","data":${accepted}}`),
  clientConnected: (data: string) => text(`{"type":"client_connected","data":${data}}`),
  callback: (data: string) => text(`{"type":"callback","data":${data}}`),
  login: (data: string): Effect<Outgoing> => ({ do: 'send', frame: { as: 'binary', json: `{"type":"client_connect","data":${data}}` } }),
} as const;

/** Messages to other connections, on this edge or another: always over the bus, so that one sender's messages stay in order. */
export function messages(tenant: string) {
  return {
    /** Empty if the id is not a connection's. */
    sendTo: (connection: string, body: JssocketMessage): Effect<Outgoing>[] => {
      const edge = edgeOf(connection);
      return edge === undefined ? [] : [{ do: 'publish', subject: jssocketTold.subject({ tenant, edge, connection }), body }];
    },
    /** The login of a client, to the core that answers it. */
    logIn: (core: string, client: string, data: string): Effect<Outgoing>[] => {
      const edge = edgeOf(core);
      return edge === undefined ? [] : [{ do: 'publish', subject: jssocketAsked.subject({ tenant, edge, core }), body: { client, data } }];
    },
    group: (group: string, payload: string): Effect<Outgoing>[] => [
      { do: 'publish', subject: jssocketNotifiedGroup.subject({ tenant, group }), body: { group, payload } },
    ],
    all: (payload: string): Effect<Outgoing>[] => [{ do: 'publish', subject: jssocketNotifiedAll.subject({ tenant }), body: { payload } }],
  };
}
