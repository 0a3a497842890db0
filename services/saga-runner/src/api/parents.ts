/** `User`, `Bot` and `Message`, and the parent that is passed to a script. */

import type { Element } from '@polyedge/contracts/element';
import { done, type Outcome } from '@polyedge/contracts/errors';
import type { Filter } from '@polyedge/query/filter';
import type { Json } from '@polyedge/query/json';
import {
  attribute,
  both,
  equal,
  GLOBALS_ID,
  isObject,
  ofType,
  type ParentKind,
  TYPES,
  textsOf,
  toBot,
  toMessage,
  toParents,
  toPropertyMap,
} from '@polyedge/saga/elements';
import { unprocessable } from '@polyedge/saga/errors';
import { parseMessage, postMessage } from '@polyedge/saga/message-post';
import { answer, refuse } from '@polyedge/saga/work';
import { type Acting, type ApiCall, BAD_CALL, failedWith, type Graph, pageOf } from './context.ts';

const MAX_PROPERTIES = 10_000;

/** Users or bots with their properties, in the given order. */
async function shown(
  graph: Graph,
  acting: Pick<Acting, 'tenant'>,
  kind: 'user' | 'bot',
  parents: readonly Element[],
): Promise<Outcome<Json[]>> {
  if (parents.length === 0) return done([]);
  const of: Filter = { test: 'in', path: attribute('parent_id'), values: parents.map(({ id }) => id) };
  const properties = await graph.all(acting, both(ofType(TYPES.property), of), MAX_PROPERTIES);
  if (!properties.ok) return properties;
  return done(toParents(kind, parents, properties.value));
}

/** The current state of the parent that a script is fired for; null if it was deleted. */
export async function parentAs(graph: Graph, acting: Pick<Acting, 'tenant'>, kind: ParentKind, id: string): Promise<Outcome<Json>> {
  if (kind === 'globals') {
    const filter = both(ofType(TYPES.property), equal(attribute('parent_id'), GLOBALS_ID));
    const properties = await graph.all(acting, filter, MAX_PROPERTIES);
    return properties.ok ? done({ properties: toPropertyMap(properties.value) }) : properties;
  }
  const found = await graph.one(acting, id, TYPES[kind]);
  if (!found.ok) return found;
  if (found.value === undefined) return done(null);
  const parents = await shown(graph, acting, kind, [found.value]);
  return parents.ok ? done(parents.value[0] ?? null) : parents;
}

const FIELDS = { user: ['username', 'displayname', 'email', 'test_data'], bot: ['name', 'test_data'] } as const;

function filterOf(kind: 'user' | 'bot', criteria: Json | undefined): Filter | undefined {
  if (!isObject(criteria)) return undefined;
  const parts: Filter[] = [ofType(TYPES[kind])];
  const fields: readonly string[] = FIELDS[kind];
  for (const [name, value] of Object.entries(criteria)) {
    if (name === '_id' || name === 'id') parts.push(equal(['id'], value));
    else if (name === 'tags')
      for (const tag of typeof value === 'string' ? [value] : textsOf(value))
        parts.push({ test: 'contains', path: attribute('tags'), value: tag });
    else if (fields.includes(name)) parts.push(equal(attribute(name), value));
    else return undefined;
  }
  return both(...parts);
}

const kindOf = (value: Json | undefined): 'user' | 'bot' | undefined => (value === 'user' || value === 'bot' ? value : undefined);

export function parentCalls(graph: Graph): Readonly<Record<string, ApiCall>> {
  return {
    'find-parents': async ({ kind: given, criteria, options }, acting) => {
      const kind = kindOf(given);
      const filter = kind === undefined ? undefined : filterOf(kind, criteria);
      if (kind === undefined || filter === undefined) return BAD_CALL;
      const found = await graph.query(acting, { filter, sort: [{ path: ['created', 'on'], order: 'asc' }], ...pageOf(options) });
      if (!found.ok) return failedWith(found.failure);
      const parents = await shown(graph, acting, kind, found.value.elements);
      return parents.ok ? answer(parents.value) : failedWith(parents.failure);
    },
    'get-parent': async ({ kind: given, id }, acting) => {
      const kind = kindOf(given);
      if (kind === undefined || typeof id !== 'string' || id === '') return BAD_CALL;
      const parent = await parentAs(graph, acting, kind, id);
      return parent.ok ? answer(parent.value) : failedWith(parent.failure);
    },
    'create-bot': async ({ name, tags, test_data }, acting) => {
      if (typeof name !== 'string' || name === '' || name.length > 256) return refuse(unprocessable('name', 'is missing'));
      const id = acting.ids.next();
      const bot = id.newId();
      const testData = test_data === true || acting.testData ? { test_data: true } : {};
      const attributes = { name, tags: textsOf(tags), ...testData };
      const made = await graph.write(acting, [{ op: 'create', type: TYPES.bot, id: bot, attributes }], [bot], { id });
      if (!made.ok) return failedWith(made.failure);
      const [element] = made.value.operations[0]?.elements ?? [];
      return answer(element === undefined ? null : toBot(element, []));
    },
    message: async (payload, acting) => {
      const { sender_id, sender_type, ...rest } = payload;
      const from = sender_type === 'User' ? 'user' : sender_type === 'Bot' ? 'bot' : undefined;
      if (from === undefined) return refuse(unprocessable('sender_type', 'is User or Bot'));
      // The sender is in the member of its kind; recipients of that kind are in the list.
      const { [`${from}_id`]: recipient, ...others } = rest;
      const list = [...textsOf(rest[`${from}_ids`]), ...(typeof recipient === 'string' ? [recipient] : [])];
      const post = parseMessage(from, { ...others, [`${from}_id`]: sender_id ?? null, [`${from}_ids`]: list });
      if (!post.ok) return post;
      const creator = { type: acting.creator.type === 'job' ? 'jobs' : 'scripts', id: acting.creator.id ?? '', call: acting.mark.call };
      return graph.run((caller) => postMessage(post.value, caller, creator), acting, [undefined]);
    },
    'find-messages': async ({ criteria, options }, acting) => {
      const filter = messagesOf(criteria);
      if (filter === undefined) return BAD_CALL;
      const found = await graph.query(acting, { filter, sort: [{ path: ['seq'], order: 'desc' }], ...pageOf(options) });
      return found.ok ? answer(found.value.elements.map((message) => toMessage(message))) : failedWith(found.failure);
    },
  };
}

function messagesOf(criteria: Json | undefined): Filter | undefined {
  if (!isObject(criteria)) return undefined;
  const parts: Filter[] = [ofType(TYPES.message)];
  for (const [name, value] of Object.entries(criteria)) {
    if (name === '_id') parts.push(equal(['id'], value));
    else if (name === 'sender_id' || name === 'sender_type' || name === 'body') parts.push(equal(attribute(name), value));
    else if (name === 'user_id' || name === 'bot_id') parts.push({ test: 'contains', path: attribute(`${name}s`), value });
    else return undefined;
  }
  return both(...parts);
}
