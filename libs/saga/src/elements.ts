/** Maps Saga's resources to elements of the graph and back (Saga protocol page, 5; `docs/architecture.md`, elements). */
import { createHash } from 'node:crypto';
import type { SagaSignal } from '@polyedge/contracts/bus/signals';
import type { Element } from '@polyedge/contracts/element';
import type { Filter, Path } from '@polyedge/query/filter';
import type { Json, JsonObject } from '@polyedge/query/json';

export const TYPES = {
  user: 'saga/User',
  bot: 'saga/Bot',
  globals: 'saga/Globals',
  property: 'saga/Property',
  message: 'saga/Message',
  script: 'saga/Script',
  job: 'saga/Job',
  version: 'saga/RunnableVersion',
  call: 'saga/RunnableCall',
  log: 'saga/RunnableLog',
  npmPackage: 'saga/NpmPackage',
  schema: 'saga/SchemaDefinition',
  /** The last signal of a name and parent; kept only while a script waits for it. */
  signal: 'saga/Signal',
  storageEntry: 'saga/StorageEntry',
} as const;

/** Kinds of parents: they have properties, signals and, except the globals, messages. */
export type ParentKind = 'user' | 'bot' | 'globals';
/** The plural, as in paths and message names. */
export type Plural = 'users' | 'bots' | 'globals';

export const KIND: Readonly<Record<Plural, ParentKind>> = { users: 'user', bots: 'bot', globals: 'globals' };
export const PLURAL: Readonly<Record<ParentKind, Plural>> = { user: 'users', bot: 'bots', globals: 'globals' };
export const TITLE = { user: 'User', bot: 'Bot', globals: 'Globals' } as const;

/** The one parent of all global properties of a tenant. Clients never see its id: they recognise globals by the missing parent. */
export const GLOBALS_ID = 'saga-globals';

/** One vertex per property. Its id depends on parent and name only, so concurrent first writes hit the same vertex. A name has no colon. */
export const propertyId = (parent: string, name: string): string => `${parent}:${name}`;
/** The id of the schema's vertex for a path such as `/users/properties/NAME`: a path has at most one schema. */
export const schemaId = (path: string): string => createHash('sha256').update(`schema\0${path}`).digest('hex').slice(0, 24);

/** The id of the vertex for one key of a storage. */
export const storageEntryId = (storage: string, key: string): string =>
  createHash('sha256').update(`storage\0${storage}\0${key}`).digest('hex').slice(0, 24);

/** The id of the vertex for the signals of one name. */
export const signalVertexId = (parent: string, name: string): string => `${parent}:!${name}`;

export const equal = (path: Path, value: Json): Filter => ({ test: 'equal', path, value });
export const ofType = (type: string): Filter => equal(['type'], type);
export const attribute = (...names: readonly string[]): Path => ['attributes', ...names];
export const both = (...all: readonly Filter[]): Filter => ({ all });

/** Whether an element can have this id; others need not be looked for. */
export const isId = (id: string): boolean => id !== '' && id.length <= 512;

export const isObject = (value: unknown): value is JsonObject => typeof value === 'object' && value !== null && !Array.isArray(value);
export const textOr = (value: Json | undefined, otherwise: string): string => (typeof value === 'string' ? value : otherwise);
export const textsOf = (value: Json | undefined): string[] =>
  Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];

const date = (ms: number): string => new Date(ms).toISOString();

/** The writer of a value: `_defaults`, `job`, `scripts`, `rest` or `socket`; `job` and `scripts` with the id of the runnable. */
export interface Creator {
  readonly type: string;
  readonly id?: string;
  /** The runnable call that wrote the value; stored in the creator, so that the next write replaces it as well. */
  readonly call?: string;
  readonly property?: string;
}

const parentIdOf = (kind: Json | undefined, id: Json | undefined): string | null =>
  kind === 'globals' || typeof id !== 'string' ? null : id;

/**
 * A property as clients see it (5.1), with its complete value. Globals have no parent: the Unity client recognises them by that alone.
 * @param creator replaces the stored creator, for values that another protocol wrote
 */
export function toProperty(state: Element, creator?: Creator): JsonObject {
  const { attributes, seq, modified } = state;
  const { parent_type: type, parent_id: parent, name, value, source_creator, test_data } = attributes;
  const { call, property, ...shown } = creator ?? (isObject(source_creator) ? source_creator : { type: 'rest' });
  return {
    _id: `${state.id}@${seq}`,
    type: type ?? 'globals',
    parent_id: parentIdOf(type, parent),
    name: name ?? '',
    value: state.deleted ? null : (value ?? null),
    sortable_id: seq,
    source_creator: { ...shown },
    ...(typeof property === 'string' ? { source_property: { id: property } } : {}),
    ...(typeof call === 'string' ? { runnable_call: call, runnable_call_id: call } : {}),
    created_at: date(modified.on),
    createdAt: date(modified.on),
    ...(test_data === true ? { test_data } : {}),
  };
}

/** Properties by name, as the Unity client expects them in users and bots. */
export function toPropertyMap(properties: readonly Element[]): JsonObject {
  const map: Record<string, Json> = {};
  for (const property of properties) map[textOr(property.attributes.name, '')] = toProperty(property);
  return map;
}

function common({ id, attributes, created, modified }: Element): JsonObject {
  return {
    _id: id,
    tags: textsOf(attributes.tags),
    ...(attributes.test_data === true ? { test_data: true } : {}),
    createdAt: date(created.on),
    updatedAt: date(modified.on),
  };
}

/** A user (5.4). Never contains secrets of the account: they are not in the vertex. */
function toUser(user: Element, properties: readonly Element[]): JsonObject {
  const { username, displayname, email, verified, roles } = user.attributes;
  return {
    ...common(user),
    username: username ?? '',
    ...(typeof displayname === 'string' ? { displayname } : {}),
    ...(typeof email === 'string' ? { email } : {}),
    verified: verified !== false,
    roles: textsOf(roles),
    properties: toPropertyMap(properties),
  };
}

/** Users or bots with their properties, in the order of `parents`. @param properties all living properties of these parents */
export function toParents(kind: 'user' | 'bot', parents: readonly Element[], properties: readonly Element[]): JsonObject[] {
  const show = kind === 'user' ? toUser : toBot;
  const byParent = Map.groupBy(properties, ({ attributes }) => attributes.parent_id);
  return parents.map((parent) => show(parent, byParent.get(parent.id) ?? []));
}

export const toBot = (bot: Element, properties: readonly Element[]): JsonObject => ({
  ...common(bot),
  name: bot.attributes.name ?? '',
  properties: toPropertyMap(properties),
});

/** The unique attribute of an HTTP script. */
export const REQUEST_PATH = 'request_path';

/** Attributes for internal use, which clients do not see. */
const HIDDEN: ReadonlySet<string> = new Set(['active', 'wanted', 'installed', 'content', REQUEST_PATH]);

/** Scripts, jobs, versions, calls, logs, packages and schemas: their attributes with `_id`, times and, if `withId`, `id`. */
export function toDocument(element: Element, withId = true): JsonObject {
  const { id, attributes, type } = element;
  const shown: Record<string, Json> = {};
  for (const [name, value] of Object.entries(attributes)) if (!HIDDEN.has(name)) shown[name] = value;
  const logOrCall = type === TYPES.call || type === TYPES.log || type === TYPES.version;
  return {
    ...shown,
    ...(logOrCall ? { createdAt: date(element.created.on), sortable_id: element.seq } : common(element)),
    _id: id,
    ...(withId ? { id } : {}),
  };
}

/**
 * A message with the fields of both protocol generations (5.3).
 * @param recipient the participant that this copy is for, named in `user_id` or `bot_id`
 */
export function toMessage(state: Element, recipient?: string): JsonObject {
  const { participants, ...attributes } = state.attributes;
  const known = isObject(participants) ? participants : {};
  const users = textsOf(attributes.user_ids);
  const bots = textsOf(attributes.bot_ids);
  const fromUser = attributes.sender_type === 'User';
  const sender = textOr(attributes.sender_id, '');
  const isUser = recipient !== undefined && users.includes(recipient);
  const isBot = recipient !== undefined && bots.includes(recipient);
  const user = fromUser ? sender : isUser ? recipient : users[0];
  const bot = fromUser ? (isBot ? recipient : bots[0]) : sender;
  // The older fields have room for one user only. In a message from user to user it is the recipient.
  const namedUser = fromUser && isUser && recipient !== sender ? recipient : user;
  return {
    _id: state.id,
    ...attributes,
    ...(namedUser === undefined ? {} : { user_id: namedUser, ...nameOf('user', known[namedUser]) }),
    ...(bot === undefined ? {} : { bot_id: bot, ...nameOf('bot', known[bot]) }),
    sortable_id: state.seq,
    createdAt: date(state.created.on),
    created_at: date(state.created.on),
  };
}

const nameOf = (field: string, name: Json | undefined): JsonObject => (name === undefined ? {} : { [field]: name });

/** A signal (5.2). */
export function toSignal(signal: SagaSignal): JsonObject {
  const { id, parentType, parent, name, value, creator, runnableCall, at } = signal;
  return {
    _id: id,
    parent_type: parentType,
    parent_id: parentIdOf(parentType, parent),
    name,
    value: value ?? null,
    ...(runnableCall === undefined ? {} : { runnable_call_id: runnableCall }),
    source_creator: { ...creator },
    created_at: date(at),
  };
}
