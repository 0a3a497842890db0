/** `UserProperty`, `BotProperty`, `GlobalProperty` and the signals. */

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
  propertyId,
  TYPES,
  toProperty,
} from '@polyedge/saga/elements';
import { deleteProperty, operatorOf, parentOf, parsePost, postProperty } from '@polyedge/saga/property-post';
import { parseSignal, postSignal } from '@polyedge/saga/signal-post';
import { answer, type Caller, type PostResult } from '@polyedge/saga/work';
import { type Acting, type ApiCall, BAD_CALL, failedWith, type Graph, pageOf } from './context.ts';

const kindOf = (value: Json | undefined): ParentKind | undefined =>
  value === 'user' || value === 'bot' || value === 'globals' ? value : undefined;

const creatorOf = ({ creator, mark }: Acting) => ({ ...creator, call: mark.call });

export function propertyCalls(graph: Graph): Readonly<Record<string, ApiCall>> {
  return {
    property: async ({ kind: given, operator: name, post: payload, options }, acting) => {
      const kind = kindOf(given);
      const operator = typeof name === 'string' && name !== '' ? operatorOf(name) : undefined;
      if (kind === undefined || (name !== '' && operator === undefined)) return BAD_CALL;
      const post = parsePost(kind, operator, payload);
      if (!post.ok) return post;
      const { notify, avoid_duplicate, inline_parent } = isObject(options) ? options : {};
      const id = propertyId(post.value.parent, post.value.name);
      const avoidDuplicate = avoid_duplicate === true && operator === undefined;
      const work = (caller: Caller) => postProperty(post.value, caller, creatorOf(acting), { avoidDuplicate });
      const written = await graph.run(work, acting, [undefined, id], { quiet: notify === false, inlineParent: inline_parent === true });
      // The existing value.
      if (!written.ok && avoidDuplicate && written.error.status_code === 403) return current(graph, acting, id);
      return written;
    },
    'get-property': async ({ kind: given, name, parent_id = null }, acting) => {
      const kind = kindOf(given);
      const parent = kind === undefined ? undefined : parentOf(kind, { parent_id });
      if (parent === undefined || typeof name !== 'string') return BAD_CALL;
      return parent.ok ? current(graph, acting, propertyId(parent.value, name)) : parent;
    },
    'find-properties': async ({ kind, criteria, options }, acting) => {
      const filter = filterOf(kindOf(kind), criteria);
      if (filter === undefined) return BAD_CALL;
      const sort = [{ path: ['seq'], order: 'desc' }] as const;
      const found = await graph.query(acting, { filter, sort, ...pageOf(options) });
      return found.ok ? answer(found.value.elements.map((property) => toProperty(property))) : failedWith(found.failure);
    },
    'count-properties': async ({ kind, criteria }, acting) => {
      const filter = filterOf(kindOf(kind), criteria);
      if (filter === undefined) return BAD_CALL;
      const found = await graph.query(acting, { filter, limit: 0, count: true });
      return found.ok ? answer(found.value.count ?? 0) : failedWith(found.failure);
    },
    'remove-property': async ({ kind: given, name, parent_id = null }, acting) => {
      const kind = kindOf(given);
      const parent = kind === undefined ? undefined : parentOf(kind, { parent_id });
      if (kind === undefined || parent === undefined || typeof name !== 'string') return BAD_CALL;
      if (!parent.ok) return parent;
      return graph.run(() => deleteProperty(kind, parent.value, name), acting, [undefined, undefined]);
    },
    signal: async ({ kind: given, post }, acting) => {
      const kind = kindOf(given);
      if (kind === undefined) return BAD_CALL;
      const signal = parseSignal(kind, post);
      if (!signal.ok) return signal;
      return graph.run((caller) => postSignal(signal.value, caller, creatorOf(acting)), acting, [undefined, undefined]);
    },
  };
}

async function current(graph: Graph, acting: Acting, id: string): Promise<PostResult> {
  const found = await graph.one(acting, id, TYPES.property);
  if (!found.ok) return failedWith(found.failure);
  return answer(found.value === undefined ? null : toProperty(found.value));
}

const KNOWN: ReadonlySet<string> = new Set(['name', 'parent_id', 'value', 'test_data']);

/** The filter of a request for properties: equality in each member of the criteria. */
function filterOf(kind: ParentKind | undefined, criteria: Json | undefined): Filter | undefined {
  if (kind === undefined || !isObject(criteria)) return undefined;
  const criteriaOfParent = kind === 'globals' ? { ...criteria, parent_id: GLOBALS_ID } : criteria;
  if (Object.keys(criteriaOfParent).some((name) => !KNOWN.has(name))) return undefined;
  const parts = Object.entries(criteriaOfParent).map(([name, value]) => equal(attribute(name), value));
  return both(ofType(TYPES.property), equal(attribute('parent_type'), kind), ...parts);
}
