/** Named storages: keys and values that scripts keep. Each entry is a vertex, found by storage and key. */

import type { Json } from '@polyedge/query/json';
import { attribute, both, equal, ofType, storageEntryId, TYPES, textOr } from '@polyedge/saga/elements';
import { unprocessable } from '@polyedge/saga/errors';
import { answer, type PostResult, refuse } from '@polyedge/saga/work';
import { type ApiCall, failedWith, type Graph, pageOf } from './context.ts';

const NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const MAX_KEY = 512;

type Named =
  | { readonly ok: true; readonly name: string; readonly key: string; readonly id: string }
  | { readonly ok: false; readonly answer: PostResult };

function named(name: Json | undefined, key: Json | undefined): Named {
  if (typeof name !== 'string' || !NAME.test(name))
    return { ok: false, answer: refuse(unprocessable('name', 'is not the name of a storage')) };
  if (typeof key !== 'string' || key === '' || key.length > MAX_KEY)
    return { ok: false, answer: refuse(unprocessable('key', 'is missing')) };
  return { ok: true, name, key, id: storageEntryId(name, key) };
}

export function storageCalls(graph: Graph): Readonly<Record<string, ApiCall>> {
  return {
    'storage-get': async ({ name, key }, acting) => {
      const entry = named(name, key);
      if (!entry.ok) return entry.answer;
      const found = await graph.one(acting, entry.id, TYPES.storageEntry);
      return found.ok ? answer(found.value?.attributes.value ?? null) : failedWith(found.failure);
    },
    'storage-set': async ({ name, key, value = null }, acting) => {
      const entry = named(name, key);
      if (!entry.ok) return entry.answer;
      const target = { id: entry.id, where: ofType(TYPES.storageEntry) };
      const ifMissing = { type: TYPES.storageEntry, attributes: { storage: entry.name, key: entry.key } };
      const written = await graph.write(acting, [{ op: 'update', target, set: { value }, ifMissing }], [undefined]);
      return written.ok ? answer(value) : failedWith(written.failure);
    },
    'storage-remove': async ({ name, key }, acting) => {
      const entry = named(name, key);
      if (!entry.ok) return entry.answer;
      const target = { id: entry.id, where: ofType(TYPES.storageEntry) };
      const removed = await graph.write(acting, [{ op: 'delete', target }], [undefined]);
      if (!removed.ok && removed.failure.code !== 'not-found') return failedWith(removed.failure);
      return answer(removed.ok);
    },
    'storage-keys': async ({ name, limit = null, skip = null }, acting) => {
      if (typeof name !== 'string' || !NAME.test(name)) return refuse(unprocessable('name', 'is not the name of a storage'));
      const filter = both(ofType(TYPES.storageEntry), equal(attribute('storage'), name));
      const page = pageOf({ limit, skip });
      const found = await graph.query(acting, { filter, sort: [{ path: attribute('key'), order: 'asc' }], fields: ['key'], ...page });
      return found.ok ? answer(found.value.elements.map(({ attributes }) => textOr(attributes.key, ''))) : failedWith(found.failure);
    },
  };
}
