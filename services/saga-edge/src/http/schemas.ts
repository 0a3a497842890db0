/** Schema definitions over REST (Saga protocol page, 6.3). */
import type { Operation } from '@polyedge/contracts/bus/graph';
import type { Json } from '@polyedge/query/json';
import { isObject, ofType, schemaId, TYPES, textsOf, toDocument } from '@polyedge/saga/elements';
import { operationOf, type SagaError, sagaError, unprocessable } from '@polyedge/saga/errors';
import { problemOfFields } from './fields.ts';
import { paged, pageOf } from './paging.ts';
import { failure, ok, type Reply, refused } from './reply.ts';
import type { Request, Routes } from './server.ts';
import type { Store } from './store.ts';

const PATH = /^\/(bots|users|globals)\/(properties|signals)\/[A-Za-z0-9_][A-Za-z0-9_-]{0,127}$/;

export function schemaRoutes(routes: Routes, store: Store): void {
  const missing = refused(sagaError(404, 'Schema definition does not exist'));
  routes.add('GET', '/schema_definitions', (request) => listOf(store, request, TYPES.schema));
  routes.add('GET', '/schema_definitions/:id', async (request) => {
    const found = await store.one(request.who.tenant, request.params.id ?? '', TYPES.schema);
    if (!found.ok) return failure(found.failure);
    return found.value === undefined ? missing : ok(toDocument(found.value));
  });
  routes.add('POST', '/schema_definitions', async (request) => {
    const { path } = isObject(request.body) ? request.body : {};
    if (typeof path !== 'string' || !PATH.test(path)) return refused(unprocessable('path', 'is not a path of properties or signals'));
    const id = schemaId(path);
    const known = await store.one(request.who.tenant, id, TYPES.schema);
    if (!known.ok) return failure(known.failure);
    if (known.value !== undefined) return refused(unprocessable('path', 'has a schema already'));
    return save(store, request, id, { path, enabled: true, indexed: false, notes: '', tags: [], json_schema: {} });
  });
  routes.add('PUT', '/schema_definitions/:id', async (request) => {
    const found = await store.one(request.who.tenant, request.params.id ?? '', TYPES.schema);
    if (!found.ok) return failure(found.failure);
    return found.value === undefined ? missing : save(store, request, found.value.id, found.value.attributes);
  });
  routes.add('DELETE', '/schema_definitions/:id', (request) => removeOne(store, request, TYPES.schema, missing));
}

/** Saves the schema together with its effective part: none while it is disabled. */
async function save(store: Store, request: Request, id: string, before: Readonly<Record<string, Json>>): Promise<Reply> {
  if (!isObject(request.body)) return refused(sagaError(400, 'the body is not an object'));
  const { json_schema, enabled, indexed, notes, tags } = request.body;
  if (json_schema !== undefined && !isObject(json_schema) && typeof json_schema !== 'boolean') {
    return refused(unprocessable('json_schema', 'is not a JSON Schema'));
  }
  if (notes !== undefined && notes !== null && (typeof notes !== 'string' || notes.length > 4096)) {
    return refused(unprocessable('notes', 'is not a text'));
  }
  const wrong = problemOfFields(request.body, ['enabled', 'indexed']);
  if (wrong !== undefined) return refused(wrong);
  const next: Record<string, Json> = {
    ...before,
    ...(json_schema === undefined ? {} : { json_schema }),
    ...(typeof enabled === 'boolean' ? { enabled } : {}),
    ...(typeof indexed === 'boolean' ? { indexed } : {}),
    ...(typeof notes === 'string' ? { notes } : {}),
    ...(tags === undefined ? {} : { tags: textsOf(tags) }),
  };
  const problem = await problemOfSchema(store, request, next.json_schema ?? {});
  if (problem !== undefined) return refused(problem);
  next.active = next.enabled === true ? (next.json_schema ?? {}) : null;
  const written = await store.write(request.who, 'schema', [
    { op: 'update', target: { id, where: ofType(TYPES.schema) }, set: next, ifMissing: { type: TYPES.schema, attributes: {} } },
  ]);
  const [element] = written.ok ? (written.value.operations[0]?.elements ?? []) : [];
  if (!written.ok) return failure(written.failure);
  return element === undefined ? refused(sagaError(500)) : ok(toDocument(element));
}

/** Lets graph-store compile the schema in a request whose last operation always fails, so that nothing is stored. */
async function problemOfSchema(store: Store, request: Request, schema: Json): Promise<SagaError | undefined> {
  const [holder, value] = [request.caller.newId(), request.caller.newId()];
  const operations: Operation[] = [
    { op: 'create', type: TYPES.schema, id: holder, attributes: { active: schema } },
    { op: 'create', type: 'saga/Signal', id: value, attributes: { value: null }, schema: { id: holder, attribute: 'active', of: 'value' } },
    { op: 'update', target: { id: value }, expect: 0 },
  ];
  const tried = await store.write(request.who, 'schema', operations);
  if (tried.ok || operationOf(tried.failure) === 2) return undefined;
  const { detail = '' } = tried.failure;
  // A value that does not satisfy the schema is no problem of the schema; the store then names a place in the value.
  const about = /schema: (?=[^ /])(.*)$/s.exec(detail)?.[1];
  if (operationOf(tried.failure) === 1 && about === undefined) return undefined;
  return unprocessable('json_schema', about ?? 'is not a JSON Schema');
}

export async function removeOne(store: Store, request: Request, type: string, missing: Reply): Promise<Reply> {
  const target = { id: request.params.id ?? '', where: ofType(type) };
  const removed = await store.write(request.who, 'delete', [{ op: 'delete', target }]);
  if (removed.ok) return ok({ ok: 1 });
  return removed.failure.code === 'not-found' ? missing : failure(removed.failure);
}

export async function listOf(store: Store, request: Request, type: string): Promise<Reply> {
  const parsed = pageOf(request);
  if (!parsed.ok) return parsed.reply;
  const { page } = parsed;
  const found = await store.query(request.who.tenant, {
    filter: ofType(type),
    sort: [{ path: ['created', 'on'], order: 'asc' }],
    limit: page.limit + 1,
    offset: page.offset,
  });
  return found.ok ? paged(request, page, found.value.elements, (all) => all.map((element) => toDocument(element))) : failure(found.failure);
}
