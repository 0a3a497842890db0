/** Tags of resources (Saga protocol page, 6.2). */
import type { Element } from '@polyedge/contracts/element';
import type { Outcome } from '@polyedge/contracts/errors';
import { attribute, both, isObject, ofType, TYPES, textsOf } from '@polyedge/saga/elements';
import { sagaError, unprocessable } from '@polyedge/saga/errors';
import { isTag, MAX_TAG, MAX_TAGS } from './fields.ts';
import { failure, ok, refused } from './reply.ts';
import type { Request, Routes } from './server.ts';
import type { Store } from './store.ts';

/** Resources with tags, by their name in paths. */
const TAGGED = {
  users: TYPES.user,
  bots: TYPES.bot,
  scripts: TYPES.script,
  jobs: TYPES.job,
  npm_packages: TYPES.npmPackage,
  schema_definitions: TYPES.schema,
} as const;
/** Resources whose tags are listed. */
const MAX_TAGGED = 100_000;

export function tagRoutes(routes: Routes, store: Store): void {
  for (const [resource, type] of Object.entries(TAGGED)) {
    routes.add('GET', `/${resource}/tags`, async (request) => {
      const filter = both(ofType(type), { test: 'present', path: attribute('tags') });
      const found = await store.all(request.who.tenant, filter, MAX_TAGGED, ['tags']);
      if (!found.ok) return failure(found.failure);
      return ok([...new Set(found.value.flatMap(({ attributes }) => textsOf(attributes.tags)))].sort());
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
        if (!isTag(tag)) return refused(unprocessable('tag', `is not 1 to ${MAX_TAG} characters`));
        if (method === 'PUT') {
          const before = await one(request);
          if (!before.ok) return failure(before.failure);
          const held = textsOf(before.value?.attributes.tags);
          if (held.length >= MAX_TAGS && !held.includes(tag)) return refused(sagaError(413, `there are ${MAX_TAGS} tags already`));
        }
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
        return found.value === undefined ? refused(sagaError(404)) : ok(textsOf(found.value.attributes.tags));
      });
    }
  }
}
