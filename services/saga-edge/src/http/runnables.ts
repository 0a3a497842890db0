/** Scripts and jobs as resources: versions, restore, calls and logs (Saga protocol page, 6.5 and 6.6). Nothing here runs code. */
import { Script } from 'node:vm';
import type { Operation } from '@polyedge/contracts/bus/graph';
import type { RunnableType } from '@polyedge/contracts/bus/runnables';
import type { Element } from '@polyedge/contracts/element';
import type { Json } from '@polyedge/query/json';
import { attribute, both, equal, isObject, ofType, REQUEST_PATH, TYPES, textOr, textsOf, toDocument } from '@polyedge/saga/elements';
import { type SagaError, sagaError, unprocessable } from '@polyedge/saga/errors';
import { isTimezone, nextTick, problemOfSchedule } from '@polyedge/saga/schedule';
import { problemOfFields } from './fields.ts';
import { paged, pageOf, streamOf } from './paging.ts';
import { failure, ok, type Reply, refused } from './reply.ts';
import type { Request, Routes } from './server.ts';
import type { Store } from './store.ts';

const KINDS = {
  scripts: { type: TYPES.script, title: 'Script', code: ['body', 'path'] },
  jobs: { type: TYPES.job, title: 'Job', code: ['body', 'schedule'] },
} as const;

const MAX_BODY = 512 * 1024;
const NAME = '[A-Za-z0-9_][A-Za-z0-9_-]{0,127}';
/** The documented families; the last is an HTTP script's URL. */
const PATHS = [
  new RegExp(`^/(bots|users|globals)/(properties|signals)/${NAME}$`),
  /^\/(users|bots)\/messages\/(sent|incoming|outgoing)$/,
  /^\/users\/events\/create$/,
  /^\/requests\/[A-Za-z0-9_/-]{1,200}$/,
];
const REQUESTS = '/requests/';

export function runnableRoutes(routes: Routes, store: Store): void {
  for (const plural of ['scripts', 'jobs'] as const) {
    const { type, title } = KINDS[plural];
    const missing = refused(sagaError(404, `${title} does not exist`));
    const find = (request: Request) => store.one(request.who.tenant, request.params.id ?? '', type);

    routes.add('GET', `/${plural}`, (request) => listOf(store, request, type, {}));
    routes.add('POST', `/${plural}`, async (request) => {
      const checked = attributesOf(plural, request.body, undefined);
      if (!checked.ok) return refused(checked.error);
      if (await hasOtherOn(store, request, checked.value)) return refused(PATH_TAKEN);
      const id = request.caller.newId();
      const attributes = { ...checked.value, ...dueOf(plural, checked.value, {}), version: 1 };
      const made = await store.write(request.who, 'create', [
        { op: 'create', type, id, attributes, unique: [REQUEST_PATH] },
        versionOf(plural, id, attributes, request),
      ]);
      const [element] = made.ok ? (made.value.operations[0]?.elements ?? []) : [];
      if (!made.ok) return made.failure.code === 'conflict' ? refused(PATH_TAKEN) : failure(made.failure);
      return element === undefined ? refused(sagaError(500)) : ok(toDocument(element));
    });
    // Before `/:id`, which would take it for an id.
    routes.add('GET', `/${plural}/runnable_calls`, (request) => listOf(store, request, TYPES.call, { runnable_type: plural }));
    routes.add('GET', `/${plural}/runnable_calls/stream`, (request) =>
      streamOf(store, request, both(ofType(TYPES.call), equal(attribute('runnable_type'), plural)), (call) => toDocument(call)),
    );
    routes.add('GET', `/${plural}/:id`, async (request) => {
      const found = await find(request);
      if (!found.ok) return failure(found.failure);
      return found.value === undefined ? missing : ok(toDocument(found.value));
    });
    routes.add('PUT', `/${plural}/:id`, async (request) => {
      const found = await find(request);
      if (!found.ok) return failure(found.failure);
      if (found.value === undefined) return missing;
      const checked = attributesOf(plural, request.body, found.value);
      return checked.ok ? save(store, request, plural, found.value, checked.value) : refused(checked.error);
    });
    routes.add('DELETE', `/${plural}/:id`, async (request) => {
      const target = { id: request.params.id ?? '', where: ofType(type) };
      const removed = await store.write(request.who, 'delete', [{ op: 'delete', target }]);
      if (removed.ok) return ok({ ok: 1 });
      return removed.failure.code === 'not-found' ? missing : failure(removed.failure);
    });
    const below = [
      ['versions', TYPES.version],
      ['runnable_calls', TYPES.call],
      ['runnable_logs', TYPES.log],
    ] as const;
    for (const [name, of] of below) {
      routes.add('GET', `/${plural}/:id/${name}`, async (request) => {
        const found = await find(request);
        if (!found.ok) return failure(found.failure);
        if (found.value === undefined) return missing;
        return listOf(store, request, of, { runnable_type: plural, runnable_id: found.value.id });
      });
      routes.add('GET', `/${plural}/:id/${name}/stream`, (request) => {
        const own = both(ofType(of), equal(attribute('runnable_type'), plural), equal(attribute('runnable_id'), request.params.id ?? ''));
        return streamOf(store, request, own, (element) => toDocument(element, of !== TYPES.log));
      });
    }
    routes.add('PUT', `/${plural}/:id/versions/:version/restore`, async (request) => {
      const { tenant } = request.who;
      const [found, version] = await Promise.all([find(request), store.one(tenant, request.params.version ?? '', TYPES.version)]);
      if (!found.ok) return failure(found.failure);
      if (!version.ok) return failure(version.failure);
      if (found.value === undefined) return missing;
      if (version.value?.attributes.runnable_id !== found.value.id) return refused(sagaError(404, 'Version does not exist'));
      const set: Record<string, Json> = {};
      for (const name of KINDS[plural].code) set[name] = version.value.attributes[name] ?? null;
      return save(store, request, plural, found.value, set);
    });
  }
  routes.add('GET', '/runnable_calls/:id', async (request) => {
    const found = await store.one(request.who.tenant, request.params.id ?? '', TYPES.call);
    if (!found.ok) return failure(found.failure);
    return found.value === undefined ? refused(NO_CALL) : ok(toDocument(found.value));
  });
  routes.add('GET', '/runnable_calls/:id/logs', async (request) => {
    const found = await store.one(request.who.tenant, request.params.id ?? '', TYPES.call);
    if (!found.ok) return failure(found.failure);
    if (found.value === undefined) return refused(NO_CALL);
    return listOf(store, request, TYPES.log, { runnable_call_id: found.value.id });
  });
}

const NO_CALL = sagaError(404, 'Runnable call does not exist');
const PATH_TAKEN = unprocessable('path', 'has a script already');

/** The unique value of an HTTP script: its URL, without redundant slashes. */
const requestPathOf = (path: string): Readonly<Record<string, Json>> => ({
  [REQUEST_PATH]: path.startsWith(REQUESTS) ? path.replace(/\/+/g, '/').replace(/\/$/, '') : null,
});

/** Whether another script has the same URL, including scripts from before URLs were unique. */
async function hasOtherOn(store: Store, { who }: Request, set: Readonly<Record<string, Json>>, own?: string): Promise<boolean> {
  const { path } = set;
  const url = set[REQUEST_PATH];
  if (typeof url !== 'string' || typeof path !== 'string') return false;
  const same = { any: [equal(attribute(REQUEST_PATH), url), equal(attribute('path'), path)] };
  const found = await store.query(who.tenant, { filter: both(ofType(TYPES.script), same), limit: 2 });
  return found.ok && found.value.elements.some(({ id }) => id !== own);
}

/** Newest first, except for the runnables themselves, which are in the order of creation. */
async function listOf(store: Store, request: Request, type: string, where: Readonly<Record<string, string>>): Promise<Reply> {
  const parsed = pageOf(request);
  if (!parsed.ok) return parsed.reply;
  const { page } = parsed;
  const own = type === TYPES.script || type === TYPES.job;
  const tags = (request.query.tags ?? '').split(',').filter((tag) => tag !== '');
  const found = await store.query(request.who.tenant, {
    filter: both(
      ofType(type),
      ...Object.entries(where).map(([name, value]) => equal(attribute(name), value)),
      ...tags.map((tag) => ({ test: 'contains', path: attribute('tags'), value: tag }) as const),
    ),
    sort: own ? [{ path: ['created', 'on'], order: 'asc' }] : [{ path: ['seq'], order: 'desc' }],
    limit: page.limit + 1,
    offset: page.offset,
  });
  return found.ok ? paged(request, page, found.value.elements, (all) => all.map((element) => toDocument(element))) : failure(found.failure);
}

/** Saves a runnable, and a new version if code, path or schedule changed, atomically. */
async function save(
  store: Store,
  request: Request,
  plural: RunnableType,
  before: Element,
  given: Readonly<Record<string, Json>>,
): Promise<Reply> {
  const set = {
    ...given,
    ...(plural === 'scripts' && typeof given.path === 'string' ? requestPathOf(given.path) : {}),
    ...dueOf(plural, given, before.attributes),
  };
  if (await hasOtherOn(store, request, set, before.id)) return refused(PATH_TAKEN);
  const { code } = KINDS[plural];
  const changed = code.some((name) => set[name] !== undefined && set[name] !== before.attributes[name]);
  const version = (typeof before.attributes.version === 'number' ? before.attributes.version : 0) + (changed ? 1 : 0);
  const attributes: Readonly<Record<string, Json>> = { ...before.attributes, ...set, version };
  const written = await store.write(request.who, 'change', [
    // Concurrent saves must not create the same version. A runner may write meanwhile when a job has run.
    {
      op: 'update',
      target: { id: before.id },
      set: { ...set, version },
      before: equal(attribute('version'), before.attributes.version ?? null),
      unique: [REQUEST_PATH],
    },
    ...(changed ? [versionOf(plural, before.id, attributes, request)] : []),
  ]);
  if (!written.ok) {
    if (written.failure.code === 'conflict' && (await hasOtherOn(store, request, set, before.id))) return refused(PATH_TAKEN);
    const meanwhile = written.failure.code === 'not-allowed' || written.failure.code === 'conflict';
    return meanwhile ? refused(unprocessable('version', 'was saved by somebody else')) : failure(written.failure);
  }
  const [element] = written.value.operations[0]?.elements ?? [];
  return element === undefined ? refused(sagaError(500)) : ok(toDocument(element));
}

/** When a job is due next, if a change determines it; a runner updates it at every tick. */
function dueOf(
  plural: RunnableType,
  set: Readonly<Record<string, Json>>,
  before: Readonly<Record<string, Json>>,
): Readonly<Record<string, Json>> {
  const changes = ['schedule', 'timezone', 'enabled'].some((name) => set[name] !== undefined && set[name] !== before[name]);
  if (plural !== 'jobs' || !changes) return {};
  const { schedule, timezone, enabled } = { ...before, ...set };
  const tick =
    typeof schedule === 'string' && enabled !== false ? nextTick({ schedule, timezone: textOr(timezone, 'UTC') }, Date.now()) : undefined;
  return { next_run_at: tick === undefined ? null : new Date(tick).toISOString() };
}

function versionOf(plural: RunnableType, runnable: string, attributes: Readonly<Record<string, Json>>, request: Request): Operation {
  const code: Record<string, Json> = {};
  for (const name of KINDS[plural].code) code[name] = attributes[name] ?? null;
  return {
    op: 'create',
    type: TYPES.version,
    id: request.caller.newId(),
    attributes: {
      runnable_type: plural,
      runnable_id: runnable,
      version: attributes.version ?? 1,
      ...code,
      user_id: request.who.account,
    },
  };
}

type Checked = { readonly ok: true; readonly value: Record<string, Json> } | { readonly ok: false; readonly error: SagaError };

/** The attributes that a body sets on a runnable; with `before`, only those that change. */
function attributesOf(plural: RunnableType, body: unknown, before: Element | undefined): Checked {
  if (!isObject(body)) return { ok: false, error: sagaError(400, 'the body is not an object') };
  const bad = (field: string, problem: string): Checked => ({ ok: false, error: unprocessable(field, problem) });
  const value: Record<string, Json> = {};
  const { name, body: code, path, schedule, timezone, enabled, logging, notes, tags } = body;
  if (code !== undefined || before === undefined) {
    if (typeof code !== 'string' || code.length > MAX_BODY) return bad('body', 'is missing');
    const problem = problemOfCode(code);
    if (problem !== undefined) return bad('body', problem);
    value.body = code;
  }
  if (plural === 'scripts' && (path !== undefined || before === undefined)) {
    if (typeof path !== 'string' || !PATHS.some((known) => known.test(path))) return bad('path', 'is not a path of scripts');
    Object.assign(value, { path }, requestPathOf(path));
  }
  if (plural === 'jobs') {
    if (timezone !== undefined) {
      if (!isTimezone(timezone)) return bad('timezone', 'is not a time zone');
      value.timezone = timezone;
    }
    const zone = value.timezone ?? before?.attributes.timezone;
    if (schedule === null) value.schedule = null;
    else if (schedule !== undefined) {
      const problem = problemOfSchedule(schedule, isTimezone(zone) ? zone : 'UTC', Date.now());
      if (problem !== undefined) return bad('schedule', problem);
      value.schedule = schedule;
    }
  }
  for (const [field, given] of Object.entries({ name, notes })) {
    if (given === undefined) continue;
    if (typeof given !== 'string' || given.length > 4096) return bad(field, 'is not a text');
    value[field] = given;
  }
  const wrong = problemOfFields(body, ['enabled', 'logging']);
  if (wrong !== undefined) return { ok: false, error: wrong };
  for (const [field, given] of Object.entries({ enabled, logging })) if (typeof given === 'boolean') value[field] = given;
  if (tags !== undefined) value.tags = textsOf(tags);
  if (before !== undefined) return { ok: true, value };
  return { ok: true, value: { name: '', enabled: true, logging: false, notes: '', tags: [], ...value } };
}

/** Compiles without running: code is the body of an async function. */
function problemOfCode(code: string): string | undefined {
  try {
    new Script(`(async function () {\n${code}\n})`);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message.slice(0, 200) : 'is not JavaScript';
  }
}
