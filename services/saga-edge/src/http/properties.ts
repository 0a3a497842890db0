/** Properties and signals over REST: values, timelines, streams, writes, reset (Saga protocol page, 6.3). */

import type { Change } from '@polyedge/contracts/change';
import { isFull } from '@polyedge/contracts/change';
import { parseDate } from '@polyedge/contracts/date-text';
import type { Element } from '@polyedge/contracts/element';
import type { Filter } from '@polyedge/query/filter';
import {
  attribute,
  both,
  equal,
  GLOBALS_ID,
  isObject,
  type ParentKind,
  propertyId,
  TITLE,
  TYPES,
  toProperty,
} from '@polyedge/saga/elements';
import { NOT_FOUND, sagaError } from '@polyedge/saga/errors';
import { deleteProperty, operatorOf, parsePost, postProperty, resetProperties } from '@polyedge/saga/property-post';
import { parseSignal, postSignal } from '@polyedge/saga/signal-post';
import { propertiesOf } from './listing.ts';
import { BAD_STREAM, linkTo, paged, pageOf, streamStart } from './paging.ts';
import { failure, ok, type Reply, refused } from './reply.ts';
import type { Request, Routes } from './server.ts';
import type { Store } from './store.ts';

/** Properties of one stream. */
const MAX_STREAMED = 1000;
const NO_PROPERTY = sagaError(404, 'Property does not exist');

export function propertyRoutes(routes: Routes, store: Store): void {
  const parents: readonly (readonly [ParentKind, string])[] = [
    ['user', '/users/:parent'],
    ['bot', '/bots/:parent'],
    ['globals', '/globals'],
  ];
  for (const [kind, under] of parents) {
    const base = `${under}/properties`;
    const on = (request: Request): string => (kind === 'globals' ? GLOBALS_ID : (request.params.parent ?? ''));
    const write = (request: Request, more: object, operator?: string): Promise<Reply> => {
      const known = operator === undefined ? undefined : operatorOf(operator);
      if (operator !== undefined && known === undefined) return Promise.resolve(refused(NOT_FOUND));
      if (request.body !== undefined && !isObject(request.body))
        return Promise.resolve(refused(sagaError(400, 'the body is not an object')));
      const post = parsePost(kind, known, { ...(request.body ?? {}), ...more, parent_id: on(request) });
      return post.ok ? store.run(postProperty(post.value, request.caller), request.who) : Promise.resolve(post);
    };
    routes.add('GET', base, async (request) => {
      const missing = await problemOfParent(store, request, kind, on(request));
      if (missing !== undefined) return missing;
      const found = await propertiesOf(store, request.who.tenant, [on(request)]);
      return found.ok ? ok(found.value.map((property) => toProperty(property))) : failure(found.failure);
    });
    routes.add('POST', base, (request) => write(request, {}));
    routes.add('DELETE', base, async (request) => {
      const found = await propertiesOf(store, request.who.tenant, [on(request)]);
      return found.ok ? store.run(resetProperties(kind, on(request), found.value, request.caller), request.who) : failure(found.failure);
    });
    routes.add('GET', `${base}/stream`, (request) => streamOfAll(store, request, on(request)));
    routes.add('GET', `${base}/:name`, async (request) => {
      const found = await current(store, request, on(request));
      if (!found.ok) return failure(found.failure);
      return found.value === undefined ? refused(NO_PROPERTY) : ok(toProperty(found.value));
    });
    routes.add('PUT', `${base}/:name`, (request) => write(request, { name: request.params.name }));
    routes.add('DELETE', `${base}/:name`, (request) =>
      store.run(deleteProperty(kind, on(request), request.params.name ?? ''), request.who),
    );
    routes.add('GET', `${base}/:name/values`, (request) => values(store, request, on(request)));
    routes.add('GET', `${base}/:name/stream`, (request) => stream(store, request, on(request)));
    routes.add('POST', `${base}/:name/:operator`, (request) => write(request, { name: request.params.name }, request.params.operator));
    routes.add('POST', `${under}/signals`, (request) => {
      const post = parseSignal(kind, isObject(request.body) ? { ...request.body, parent_id: on(request) } : request.body);
      return post.ok ? store.run(postSignal(post.value, request.caller), request.who) : Promise.resolve(post);
    });
  }
}

async function problemOfParent(store: Store, { who }: Request, kind: ParentKind, id: string): Promise<Reply | undefined> {
  if (kind === 'globals') return undefined;
  const found = await store.one(who.tenant, id, TYPES[kind]);
  if (!found.ok) return failure(found.failure);
  return found.value === undefined ? refused(sagaError(404, `${TITLE[kind]} does not exist`)) : undefined;
}

const current = (store: Store, { who, params }: Request, parent: string) =>
  store.one(who.tenant, propertyId(parent, params.name ?? ''), TYPES.property);

/** The states of one timeline: those since the property was created or last reset. */
const lifeOf = ({ attributes }: Element): Filter => both(equal(['deleted'], false), equal(attribute('life'), attributes.life ?? null));

/** A timeline entry as the property at that time. */
function entriesOf(changes: readonly Change[]): unknown[] {
  return changes
    .filter(isFull)
    .map(({ state, origin }) =>
      toProperty(state, origin.protocol === 'saga' ? undefined : { type: origin.way === 'socket' ? 'socket' : 'rest' }),
    );
}

/** The value list: newest first by default, in pages. */
async function values(store: Store, request: Request, parent: string): Promise<Reply> {
  const parsed = pageOf(request);
  if (!parsed.ok) return parsed.reply;
  const { page } = parsed;
  const { sort = 'desc', from, to } = request.query;
  if (sort !== 'asc' && sort !== 'desc') return refused(sagaError(400, 'sort is asc or desc'));
  const [since, until] = [from, to].map((text) => (text === undefined ? undefined : parseDate(text)));
  if (Number.isNaN(since) || Number.isNaN(until)) return refused(sagaError(400, 'from and to are ISO dates'));
  const property = await current(store, request, parent);
  if (!property.ok) return failure(property.failure);
  if (property.value === undefined) return refused(NO_PROPERTY);
  const begins = property.value.created.on;
  const found = await store.history(request.who.tenant, {
    elements: [property.value.id],
    order: sort,
    from: Math.max(begins, since ?? begins),
    ...(until === undefined ? {} : { to: until }),
    limit: page.limit + 1,
    offset: page.offset,
    visible: lifeOf(property.value),
  });
  return found.ok ? paged(request, page, found.value.changes, (changes) => entriesOf(changes)) : failure(found.failure);
}

/** Entries after a `sortable_id`, oldest first; the link carries the last one. */
async function stream(store: Store, request: Request, parent: string): Promise<Reply> {
  const property = await current(store, request, parent);
  if (!property.ok) return failure(property.failure);
  return property.value === undefined ? refused(NO_PROPERTY) : streamed(store, request, [property.value]);
}

/** The same over all properties of one parent. */
async function streamOfAll(store: Store, request: Request, parent: string): Promise<Reply> {
  const found = await propertiesOf(store, request.who.tenant, [parent]);
  if (!found.ok) return failure(found.failure);
  if (found.value.length > MAX_STREAMED) return refused(sagaError(413, `there are more than ${MAX_STREAMED} properties in the stream`));
  return found.value.length === 0 ? ok([]) : streamed(store, request, found.value);
}

async function streamed(store: Store, request: Request, properties: readonly Element[]): Promise<Reply> {
  const parsed = streamStart(request);
  if (parsed === undefined) return refused(BAD_STREAM);
  const lives: Filter = { any: properties.map((property) => both(equal(['id'], property.id), lifeOf(property))) };
  const found = await store.history(request.who.tenant, {
    elements: properties.map(({ id }) => id),
    order: 'asc',
    afterSeq: parsed.after,
    limit: parsed.limit,
    visible: properties.length === 1 ? lives : equal(['deleted'], false),
  });
  if (!found.ok) return failure(found.failure);
  const { changes, more } = found.value;
  const byId = new Map(properties.map((property) => [property.id, property.attributes.life ?? null]));
  const shown = changes.filter((change) => (change.state?.attributes.life ?? null) === byId.get(change.id));
  const last = changes.at(-1)?.seq;
  const link = more && last !== undefined ? linkTo(request, 'next', { sortable_id: String(last), limit: String(parsed.limit) }) : undefined;
  return ok(entriesOf(shown), link);
}
