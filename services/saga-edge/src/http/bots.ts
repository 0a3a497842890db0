/** Bots, messages, tags and test data over REST (Saga protocol page, 6.2 and 6.4). */
import type { Element } from '@polyedge/contracts/element';
import { done, type Outcome } from '@polyedge/contracts/errors';
import type { Filter } from '@polyedge/query/filter';
import type { Json } from '@polyedge/query/json';
import { attribute, both, equal, isObject, ofType, TITLE, TYPES, textsOf, toMessage } from '@polyedge/saga/elements';
import { sagaError, unprocessable } from '@polyedge/saga/errors';
import { parseMessage, postMessage } from '@polyedge/saga/message-post';
import type { Bus } from '@polyedge/service-kit/bus';
import { listParents, showParents } from './listing.ts';
import { paged, pageOf, streamOf } from './paging.ts';
import { failure, ok, type Reply, refused } from './reply.ts';
import type { Request, Routes } from './server.ts';
import type { Store } from './store.ts';
import { removeParents, removeUsers } from './users.ts';

const NO_BOT = sagaError(404, 'Bot does not exist');

export function botRoutes(routes: Routes, store: Store): void {
  const show = async (request: Request, bot: Element | undefined): Promise<Reply> => {
    if (bot === undefined) return refused(NO_BOT);
    const shown = await showParents(store, request.who.tenant, 'bot', [bot]);
    return shown.ok ? ok(shown.value[0]) : failure(shown.failure);
  };
  routes.add('GET', '/bots', (request) => listParents(store, request, 'bot'));
  routes.add('GET', '/bots/:id', async (request) => {
    const found = await store.one(request.who.tenant, request.params.id ?? '', TYPES.bot);
    return found.ok ? show(request, found.value) : failure(found.failure);
  });
  routes.add('POST', '/bots', async (request) => {
    const { name, test_data, tags } = isObject(request.body) ? request.body : {};
    if (typeof name !== 'string' || name === '' || name.length > 256) return refused(unprocessable('name', 'is missing'));
    const attributes = { name, tags: textsOf(tags), ...(test_data === true ? { test_data } : {}) };
    const made = await store.write(request.who, 'create', [{ op: 'create', type: TYPES.bot, id: request.caller.newId(), attributes }]);
    return made.ok ? show(request, made.value.operations[0]?.elements[0]) : failure(made.failure);
  });
  routes.add('PUT', '/bots/:id', async (request) => {
    const body = isObject(request.body) ? request.body : {};
    const set: Record<string, Json> = {};
    if (body.name !== undefined) {
      if (typeof body.name !== 'string' || body.name === '' || body.name.length > 256)
        return refused(unprocessable('name', 'is not 1 to 256 characters'));
      set.name = body.name;
    }
    if (body.tags !== undefined) set.tags = textsOf(body.tags);
    if (typeof body.test_data === 'boolean') set.test_data = body.test_data;
    const target = { id: request.params.id ?? '', where: ofType(TYPES.bot) };
    const written = await store.write(request.who, 'change', [{ op: 'update', target, set }]);
    if (!written.ok) return written.failure.code === 'not-found' ? refused(NO_BOT) : failure(written.failure);
    return show(request, written.value.operations[0]?.elements[0]);
  });
  routes.add('DELETE', '/bots/:id', async (request) => {
    const found = await store.one(request.who.tenant, request.params.id ?? '', TYPES.bot);
    if (!found.ok) return failure(found.failure);
    if (found.value === undefined) return refused(NO_BOT);
    const removed = await removeParents(store, request.who, [found.value]);
    return removed.ok ? ok({ ok: 1 }) : failure(removed.failure);
  });
}

export function messageRoutes(routes: Routes, store: Store): void {
  for (const kind of ['user', 'bot'] as const) {
    const base = `/${kind}s/:parent/messages`;
    const ofParent = (id: string): Filter =>
      both(ofType(TYPES.message), {
        any: [equal(attribute('sender_id'), id), { test: 'contains', path: attribute(`${kind}_ids`), value: id }],
      });
    routes.add('GET', base, async (request) => {
      const parsed = pageOf(request);
      if (!parsed.ok) return parsed.reply;
      const { page } = parsed;
      const { parent = '' } = request.params;
      const known = await store.one(request.who.tenant, parent, TYPES[kind]);
      if (!known.ok) return failure(known.failure);
      if (known.value === undefined) return refused(sagaError(404, `${TITLE[kind]} does not exist`));
      const found = await store.query(request.who.tenant, {
        filter: ofParent(parent),
        sort: [{ path: ['seq'], order: 'desc' }],
        limit: page.limit + 1,
        offset: page.offset,
      });
      return found.ok
        ? paged(request, page, found.value.elements, (messages) => messages.map((message) => toMessage(message, parent)))
        : failure(found.failure);
    });
    routes.add('GET', `${base}/stream`, (request) => {
      const { parent = '' } = request.params;
      return streamOf(store, request, ofParent(parent), (message) => toMessage(message, parent));
    });
    routes.add('POST', base, (request) => {
      if (!isObject(request.body)) return Promise.resolve(refused(sagaError(400, 'the body is not an object')));
      const post = parseMessage(kind, { ...request.body, [`${kind}_id`]: request.params.parent ?? '' });
      return post.ok ? store.run(postMessage(post.value, request.caller), request.who) : Promise.resolve(post);
    });
    routes.add('GET', `${base}/:id`, async (request) => {
      const { parent = '', id = '' } = request.params;
      const found = await store.query(request.who.tenant, { filter: both(ofParent(parent), equal(['id'], id)), limit: 1 });
      if (!found.ok) return failure(found.failure);
      const [message] = found.value.elements;
      return message === undefined ? refused(sagaError(404, 'Message does not exist')) : ok(toMessage(message, parent));
    });
  }
}

/** Resources with tags, by their name in paths. */
const TAGGED = {
  users: TYPES.user,
  bots: TYPES.bot,
  scripts: TYPES.script,
  jobs: TYPES.job,
  npm_packages: TYPES.npmPackage,
  schema_definitions: TYPES.schema,
} as const;
const MAX_TAGS = 200;

export function tagRoutes(routes: Routes, store: Store): void {
  for (const [resource, type] of Object.entries(TAGGED)) {
    routes.add('GET', `/${resource}/tags`, async (request) => {
      const filter = both(ofType(type), { test: 'present', path: attribute('tags') });
      const found = await store.query(request.who.tenant, { filter, limit: 10_000, fields: ['tags'] });
      if (!found.ok) return failure(found.failure);
      return ok([...new Set(found.value.elements.flatMap(({ attributes }) => textsOf(attributes.tags)))].sort());
    });
    const one = async (request: Request): Promise<Outcome<Element | undefined>> =>
      store.one(request.who.tenant, request.params.id ?? '', type);
    routes.add('GET', `/${resource}/:id/tags`, async (request) => {
      const found = await one(request);
      if (!found.ok) return failure(found.failure);
      return found.value === undefined ? refused(sagaError(404)) : ok(textsOf(found.value.attributes.tags));
    });
    for (const method of ['PUT', 'DELETE'] as const) {
      routes.add(method, `/${resource}/:id/tags`, async (request) => {
        const tag = (isObject(request.body) ? request.body.tag : undefined) ?? request.query.tag;
        if (typeof tag !== 'string' || tag === '' || tag.length > 128) return refused(unprocessable('tag', 'is missing'));
        const target = { id: request.params.id ?? '', where: ofType(type) };
        const operator = method === 'PUT' ? 'sadd' : 'rem';
        const written = await store.write(request.who, 'tags', [
          { op: 'update', target, put: [] },
          ...(method === 'PUT' ? [{ op: 'apply' as const, target, attribute: 'tags', operator, value: tag } as const] : []),
          ...(method === 'DELETE'
            ? [
                {
                  op: 'apply' as const,
                  target: { id: target.id, where: both(ofType(type), { test: 'contains', path: attribute('tags'), value: tag }) },
                  attribute: 'tags',
                  operator,
                  value: tag,
                } as const,
              ]
            : []),
        ]);
        if (!written.ok && written.failure.code !== 'not-found') return failure(written.failure);
        const found = await one(request);
        if (!found.ok) return failure(found.failure);
        if (found.value === undefined) return refused(sagaError(404));
        const tags = textsOf(found.value.attributes.tags);
        return tags.length > MAX_TAGS ? refused(sagaError(413)) : ok(tags);
      });
    }
  }
}

const MAX_TEST_DATA = 10_000;

/** `DELETE /test`: deletes everything flagged as test data, and what belongs to it. */
export function testDataRoutes(routes: Routes, { bus, store }: { readonly bus: Bus; readonly store: Store }): void {
  routes.add('DELETE', '/test', async ({ who }) => {
    const flagged = (type: string) => store.all(who.tenant, both(ofType(type), equal(attribute('test_data'), true)), MAX_TEST_DATA);
    const [users, bots, others] = await Promise.all([
      flagged(TYPES.user),
      flagged(TYPES.bot),
      store.all(
        who.tenant,
        both(
          { test: 'in', path: ['type'], values: [TYPES.message, TYPES.property, TYPES.call, TYPES.log] },
          equal(attribute('test_data'), true),
        ),
        MAX_TEST_DATA,
      ),
    ]);
    if (!users.ok) return failure(users.failure);
    if (!bots.ok) return failure(bots.failure);
    if (!others.ok) return failure(others.failure);
    const removed = [
      await removeUsers({ bus, store }, who, users.value),
      await removeParents(store, who, bots.value),
      await removeAll(store, who, others.value),
    ].find((outcome) => !outcome.ok);
    return removed === undefined || removed.ok ? ok({ ok: 1 }) : failure(removed.failure);
  });
}

async function removeAll(store: Store, who: Request['who'], elements: readonly Element[]): Promise<Outcome<unknown>> {
  for (let at = 0; at < elements.length; at += 500) {
    const values = elements.slice(at, at + 500).map(({ id }) => id);
    const removed = await store.write(who, 'delete', [{ op: 'delete', target: { where: { test: 'in', path: ['id'], values } } }]);
    if (!removed.ok) return removed;
  }
  return done(undefined);
}
