/** Storages: named collections of keys and values that scripts keep (Saga protocol page, 6.7). */
import { done, type Outcome } from '@polyedge/contracts/errors';
import { attribute, both, equal, isObject, ofType, storageEntryId, TYPES, textOr } from '@polyedge/saga/elements';
import { sagaError, unprocessable } from '@polyedge/saga/errors';
import { paged, pageOf } from './paging.ts';
import { failure, ok, refused } from './reply.ts';
import type { Request, Routes } from './server.ts';
import type { Store } from './store.ts';

const NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const MAX_KEY = 512;
const MISSING = refused(sagaError(404, 'Storage entry does not exist'));
/** Names in the list. */
const MAX_STORAGES = 10_000;
/** Entries read with one request; from the next request on, those of the last name in it are left out. */
const PAGE = 10_000;
const TOO_MANY = refused(sagaError(413, `there are more than ${MAX_STORAGES} storages`));

function entryOf({ params }: Request): { readonly name: string; readonly key: string; readonly id: string } | undefined {
  const { name = '', key = '' } = params;
  return NAME.test(name) && key !== '' && key.length <= MAX_KEY ? { name, key, id: storageEntryId(name, key) } : undefined;
}

export function storageRoutes(routes: Routes, store: Store): void {
  routes.add('GET', '/storages', async ({ who }) => {
    const names = await storageNames(store, who.tenant);
    if (!names.ok) return failure(names.failure);
    return names.value === undefined ? TOO_MANY : ok(names.value.map((name) => ({ name })));
  });
  routes.add('GET', '/storages/:name', async (request) => {
    const parsed = pageOf(request);
    if (!parsed.ok) return parsed.reply;
    const { page } = parsed;
    const found = await store.query(request.who.tenant, {
      filter: both(ofType(TYPES.storageEntry), equal(attribute('storage'), request.params.name ?? '')),
      sort: [{ path: attribute('key'), order: 'asc' }],
      limit: page.limit + 1,
      offset: page.offset,
    });
    if (!found.ok) return failure(found.failure);
    return paged(request, page, found.value.elements, (all) =>
      all.map(({ attributes: { key, value } }) => ({ key: key ?? '', value: value ?? null })),
    );
  });
  routes.add('GET', '/storages/:name/:key', async (request) => {
    const entry = entryOf(request);
    if (entry === undefined) return MISSING;
    const found = await store.one(request.who.tenant, entry.id, TYPES.storageEntry);
    if (!found.ok) return failure(found.failure);
    return found.value === undefined ? MISSING : ok({ key: entry.key, value: found.value.attributes.value ?? null });
  });
  routes.add('PUT', '/storages/:name/:key', async (request) => {
    const entry = entryOf(request);
    if (entry === undefined) return refused(unprocessable('name', 'is not the name of a storage'));
    if (!isObject(request.body)) return refused(sagaError(400, 'the body is not an object'));
    const { value = null } = request.body;
    const target = { id: entry.id, where: ofType(TYPES.storageEntry) };
    const ifMissing = { type: TYPES.storageEntry, attributes: { storage: entry.name, key: entry.key } };
    const written = await store.write(request.who, 'storage', [{ op: 'update', target, set: { value }, ifMissing }]);
    return written.ok ? ok({ key: entry.key, value }) : failure(written.failure);
  });
  routes.add('DELETE', '/storages/:name/:key', async (request) => {
    const entry = entryOf(request);
    if (entry === undefined) return MISSING;
    const target = { id: entry.id, where: ofType(TYPES.storageEntry) };
    const removed = await store.write(request.who, 'storage', [{ op: 'delete', target }]);
    if (removed.ok) return ok({ ok: 1 });
    return removed.failure.code === 'not-found' ? MISSING : failure(removed.failure);
  });
}

/** The names of all storages that have entries, in order; undefined if there are too many. */
async function storageNames(store: Store, tenant: string): Promise<Outcome<readonly string[] | undefined>> {
  const names = new Set<string>();
  const path = attribute('storage');
  for (let last = ''; ; ) {
    // Only texts are more than a text.
    const filter = both(ofType(TYPES.storageEntry), { test: 'more', path, value: last });
    const found = await store.query(tenant, { filter, sort: [{ path, order: 'asc' }], limit: PAGE, fields: ['storage'] });
    if (!found.ok) return found;
    const { elements } = found.value;
    for (const { attributes } of elements) names.add(textOr(attributes.storage, ''));
    if (names.size > MAX_STORAGES) return done(undefined);
    if (elements.length < PAGE) return done([...names].sort());
    last = textOr(elements.at(-1)?.attributes.storage, last);
  }
}
