/** Bots, messages and test data over REST (Saga protocol page, 6.2 and 6.4). */
import type { Element } from '@polyedge/contracts/element';
import type { Outcome } from '@polyedge/contracts/errors';
import type { Filter } from '@polyedge/query/filter';
import type { Json } from '@polyedge/query/json';
import { attribute, both, equal, isObject, ofType, TITLE, TYPES, textsOf, toMessage } from '@polyedge/saga/elements';
import { sagaError, unprocessable } from '@polyedge/saga/errors';
import { parseMessage, postMessage } from '@polyedge/saga/message-post';
import type { Bus } from '@polyedge/service-kit/bus';
import { problemOfFields } from './fields.ts';
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
    const shown = await showParents(store, request, 'bot', [bot]);
    return shown.ok ? ok(shown.value[0]) : failure(shown.failure);
  };
  routes.add('GET', '/bots', (request) => listParents(store, request, 'bot'));
  routes.add('GET', '/bots/:id', async (request) => {
    const found = await store.one(request.who.tenant, request.params.id ?? '', TYPES.bot);
    return found.ok ? show(request, found.value) : failure(found.failure);
  });
  routes.add('POST', '/bots', async (request) => {
    const body = isObject(request.body) ? request.body : {};
    const { name, test_data, tags } = body;
    if (typeof name !== 'string' || name === '' || name.length > 256) return refused(unprocessable('name', 'is missing'));
    const problem = problemOfFields(body, ['test_data']);
    if (problem !== undefined) return refused(problem);
    const attributes = { name, tags: textsOf(tags), ...(test_data === true ? { test_data } : {}) };
    const made = await store.write(request.who, 'create', [{ op: 'create', type: TYPES.bot, id: request.caller.newId(), attributes }]);
    return made.ok ? show(request, made.value.operations[0]?.elements[0]) : failure(made.failure);
  });
  routes.add('PUT', '/bots/:id', async (request) => {
    const body = isObject(request.body) ? request.body : {};
    const problem = problemOfFields(body, ['test_data']);
    if (problem !== undefined) return refused(problem);
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

/** Users and bots of test data that are read at once. */
const TEST_PARENTS = 1000;

/** `DELETE /test`: deletes everything flagged as test data, and what belongs to it. */
export function testDataRoutes(routes: Routes, { bus, store }: { readonly bus: Bus; readonly store: Store }): void {
  routes.add('DELETE', '/test', async ({ who }) => {
    const flagged = equal(attribute('test_data'), true);
    const removals: readonly (readonly [string, (parents: readonly Element[]) => Promise<Outcome<unknown>>])[] = [
      [TYPES.user, (users) => removeUsers({ bus, store }, who, users)],
      [TYPES.bot, (bots) => removeParents(store, who, bots)],
    ];
    for (const [type, remove] of removals) {
      for (;;) {
        const found = await store.query(who.tenant, { filter: both(ofType(type), flagged), limit: TEST_PARENTS, fields: [] });
        if (!found.ok) return failure(found.failure);
        if (found.value.elements.length === 0) break;
        const removed = await remove(found.value.elements);
        if (!removed.ok) return failure(removed.failure);
      }
    }
    const values = [TYPES.message, TYPES.property, TYPES.call, TYPES.log];
    const removed = await store.removeAll(who, both({ test: 'in', path: ['type'], values }, flagged));
    return removed.ok ? ok({ ok: 1 }) : failure(removed.failure);
  });
}
