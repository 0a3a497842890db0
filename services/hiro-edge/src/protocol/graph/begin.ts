import { graphGet, graphHistory, type MutationResult, type Operation } from '@polyedge/contracts/bus/graph';
import type { Element } from '@polyedge/contracts/element';
import { type Failure, failed, type Outcome } from '@polyedge/contracts/errors';
import type { Principal } from '@polyedge/contracts/principal';
import type { GraphRequest } from '@polyedge/contracts/wire/hiro';
import type { Filter } from '@polyedge/query/filter';
import { call, write } from '@polyedge/session/questions';
import { versionId } from '../element/attributes.ts';
import { isEdgeId, isReservedId } from '../element/ids.ts';
import { editLists } from '../element/lists.ts';
import type { DisplayOptions } from '../element/vertex.ts';
import { mayUseScope, visibleTo } from '../element/visibility.ts';
import { asObject, RequestParameters } from '../parameters.ts';
import { type BodyWrite, type Checked, type Fixed, fixedViolations, fromBody, type Intent, KEPT_BY_REPLACE } from './body.ts';
import { getContent, meta } from './content.ts';
import { displayOptionsOf, toShownJson } from './display-options.ts';
import { events, history } from './history.ts';
import { runQuery } from './queries.ts';
import { defaultScopeXid, isShownOnly, readable, SHOWN_ONLY, writeRefusalOf } from './read-element.ts';
import type { When } from './run-gremlin.ts';
import { readValues, valueHistory, writeValues } from './series.ts';
import { answer, type HiroAnswer, type Refused, type Work } from './work.ts';

/** The caller and rules of a request. */
export interface Context extends When {
  /** Generates the id of a new vertex in a scope. */
  readonly newId: (scope: string) => string;
  readonly names: 'lenient' | 'strict';
}

/** Attempts to edit a list when the vertex is changed concurrently; after that the client must retry (888). */
const EDIT_ATTEMPTS = 4;

/** The task of a graph-ws request or the equivalent REST call. `headers` and `body` may come from a URL. */
export function begin(request: Pick<GraphRequest, 'type' | 'headers' | 'body'>, context: Context): Work {
  const { headers } = request;
  const body = request.body ?? {};
  const parameters = IN_HEADERS.has(request.type) ? new RequestParameters(headers) : new RequestParameters(headers, asObject(body));
  const work = workOf(request, parameters, body, context);
  return new Readable(parameters, work);
}

/** Ends the request as soon as an invalid parameter is found, before the next question, which would depend on it. */
class Readable implements Work {
  readonly #parameters: RequestParameters;
  readonly #work: Work;

  constructor(parameters: RequestParameters, work: Work) {
    this.#parameters = parameters;
    this.#work = work;
  }

  [Symbol.iterator](): this {
    return this;
  }

  next(...[outcome]: [] | [Outcome<unknown>]): ReturnType<Work['next']> {
    const step = outcome === undefined ? this.#work.next() : this.#work.next(outcome);
    const { problem } = this.#parameters;
    return problem === undefined ? step : { done: true, value: failed('invalid', problem) };
  }
}

/** Requests whose body is the vertex or the values, without parameters. */
const IN_HEADERS: ReadonlySet<string> = new Set(['create', 'update', 'replace', 'writets']);

function workOf(
  { type, headers }: Pick<GraphRequest, 'type' | 'headers'>,
  parameters: RequestParameters,
  body: unknown,
  context: Context,
): Work {
  const { who, at } = context;
  switch (type) {
    case 'get':
      return get(parameters, who);
    case 'create':
      return create(parameters, body, context);
    case 'update':
      return update(parameters, body, context);
    case 'replace':
      return replace(parameters, body, context);
    case 'delete':
      return remove(parameters, who);
    case 'connect':
      return connect(parameters, who);
    case 'query':
      return runQuery(parameters, { ...headers, ...asObject(body) }, context);
    case 'writets':
      return writeValues(parameters, body, who);
    case 'streamts':
      return readValues(parameters, who, at);
    case 'valuehistory':
      return valueHistory(parameters, who);
    case 'history':
      return history(parameters, who);
    case 'events':
      return events(parameters, who, at);
    case 'getcontent':
      return getContent(parameters, who);
    case 'meta':
      return meta(parameters, who);
    // hiro-graph-js 6.1 and the documentation say `me`, hiro-graph-js 7.5 says `getme`.
    case 'me':
    case 'getme':
      return me(who);
    default:
      return unknown(type);
  }
}

// biome-ignore lint/correctness/useYield: it fails before it makes a call
function* unknown(type: string): Work {
  return failed('invalid', `unknown type "${type}"`);
}

function* get(parameters: RequestParameters, who: Principal): Work {
  const id = parameters.text('ogit/_id');
  if (id === undefined) return missing('ogit/_id');
  const vid = parameters.text('vid');
  const display = displayOptionsOf(parameters);
  const includeDeleted = parameters.flag('includeDeleted', 'include_deleted');
  const found = yield* call(
    graphGet,
    { tenant: who.tenant },
    { ids: [id], includeDeleted: includeDeleted || vid !== undefined, accounts: true },
  );
  if (!found.ok) return found;
  const element = readable(found.value.elements[0], who);
  if (!element.ok) return element;
  if (vid === undefined || versionId(element.value) === vid) return show(element.value, display);
  // A version's id begins with its time, so only the changes of that millisecond are read.
  const on = Number(/^\d{1,15}/.exec(vid)?.[0] ?? Number.NaN);
  if (Number.isNaN(on)) return failed('not-found');
  const past = yield* call(
    graphHistory,
    { tenant: who.tenant },
    { elements: [id], from: on, to: on, limit: 1000, visible: visibleTo(who), accounts: true },
  );
  if (!past.ok) return past;
  const state = past.value.changes.find((change) => change.state !== undefined && versionId(change.state) === vid)?.state;
  return state === undefined ? failed('not-found') : show(state, display);
}

function* create(parameters: RequestParameters, body: unknown, context: Context): Work {
  const { who } = context;
  const read = readBody('create', body, context);
  if (!read.ok) return rejected(read);
  const { id, xid, attributes, fixed } = read.value;
  const type = parameters.text('ogit/_type') ?? fixed.type;
  if (type === undefined) return missing('ogit/_type');
  if (isShownOnly(type)) return failed('not-allowed', `vertices of the type ${type} are not made here`);
  const scope = read.value.scope ?? who.defaultScope;
  if (!mayUseScope(who, scope)) return failed('not-allowed', 'this token may not write to that scope');
  const operation: Operation = {
    op: 'create',
    type,
    id: id ?? context.newId(scope),
    scope,
    attributes,
    ...(id === undefined ? {} : { accounts: true }),
    ...(xid === undefined ? {} : { xid, unique: ['xid'] }),
  };
  const display = displayOptionsOf(parameters);
  const written = yield* write('create', [operation]);
  return written.ok ? showFirst(written.value, display) : written;
}

function* update(parameters: RequestParameters, body: unknown, context: Context): Work {
  const { who } = context;
  const id = parameters.text('ogit/_id');
  if (id === undefined) return missing('ogit/_id');
  const read = readBody('update', body, context);
  if (!read.ok) return rejected(read);
  const { set, put, unset, edits, fixed } = read.value;
  const display = displayOptionsOf(parameters);
  const operation: Extract<Operation, { op: 'update' }> = {
    op: 'update',
    target: { id },
    set,
    unset: [...unset],
    put: put.map(({ path, value }) => ({ path: [...path], value })),
    before: writable(who, fixed),
    after: visibleTo(who),
  };
  if (edits.length > 0) return yield* updateLists(operation, id, read.value, display, who);
  const written = yield* write('update', [operation]);
  return written.ok ? showFirst(written.value, display) : yield* explain(id, fixed, who, written.failure);
}

/** Edits of a list depend on its current value, so the write requires the version that was read. */
function* updateLists(
  operation: Extract<Operation, { op: 'update' }>,
  id: string,
  { set, put, edits, fixed }: BodyWrite,
  display: DisplayOptions,
  who: Principal,
): Work {
  for (let attempt = 0; attempt < EDIT_ATTEMPTS; attempt += 1) {
    const found = yield* call(graphGet, { tenant: who.tenant }, { ids: [id], accounts: true });
    if (!found.ok) return found;
    const [element] = found.value.elements;
    const refusal = writeRefusalOf(element, who);
    if (refusal !== undefined || element === undefined || element === null) return { ok: false, failure: refusal ?? { code: 'not-found' } };
    const edited = editLists(element, edits);
    const written = yield* write('update', [
      {
        ...operation,
        set: { ...set, ...edited.set },
        put: [...put.map(({ path, value }) => ({ path: [...path], value })), ...edited.put],
        version: element.version,
      },
    ]);
    if (written.ok) return showFirst(written.value, display);
    if (written.failure.code !== 'conflict') return yield* explain(id, fixed, who, written.failure);
  }
  return failed('busy', 'somebody else changed this vertex at the same time; send the request again');
}

function* replace(parameters: RequestParameters, body: unknown, context: Context): Work {
  const { who } = context;
  const id = parameters.text('ogit/_id');
  if (id === undefined) return missing('ogit/_id');
  const read = readBody('replace', body, context);
  if (!read.ok) return rejected(read);
  const { attributes, fixed, xid } = read.value;
  const creates = parameters.flag('createIfNotExists');
  const type = parameters.text('ogit/_type') ?? fixed.type;
  if (creates && type === undefined) return missing('ogit/_type');
  if (creates && type !== undefined && isShownOnly(type)) return failed('not-allowed', `vertices of the type ${type} are not made here`);
  if (creates && isReservedId(id)) return failed('invalid', 'ogit/_id is reserved');
  const scope = read.value.scope ?? fixed.scope ?? who.defaultScope;
  if (creates && !mayUseScope(who, scope)) return failed('not-allowed', 'this token may not write to that scope');
  const operation: Operation = {
    op: 'replace',
    target: { id },
    attributes,
    keep: KEPT_BY_REPLACE,
    before: writable(who, fixed),
    after: visibleTo(who),
    ...(creates && type !== undefined
      ? {
          ifMissing: { type, id, scope, attributes, accounts: true, ...(xid === undefined ? {} : { xid }) },
          ...(xid === undefined ? {} : { unique: ['xid'] }),
        }
      : {}),
  };
  const display = displayOptionsOf(parameters);
  const written = yield* write('replace', [operation]);
  return written.ok ? showFirst(written.value, display) : yield* explain(id, fixed, who, written.failure);
}

function* remove(parameters: RequestParameters, who: Principal): Work {
  const id = parameters.text('ogit/_id');
  if (id === undefined) return missing('ogit/_id');
  const display = displayOptionsOf(parameters);
  const lasting: Filter = { not: { test: 'equal', path: ['xid'], value: defaultScopeXid(who) } };
  const written = yield* write('delete', [{ op: 'delete', target: { id }, before: { all: [writable(who, {}), lasting] } }]);
  if (written.ok) {
    const elements = written.value.operations.flatMap((operation) => operation.elements);
    const element = elements.find((candidate) => candidate.id === id) ?? elements[0];
    return element === undefined ? failed('not-found') : show(element, display);
  }
  if (written.failure.code !== 'not-found' || !isEdgeId(id)) return yield* explain(id, {}, who, written.failure);
  // Deleting an edge again is a conflict (HIRO Graph API); clients that disconnect treat both answers as success.
  const found = yield* call(graphGet, { tenant: who.tenant }, { ids: [id], includeDeleted: true, visible: visibleTo(who) });
  if (!found.ok) return found;
  const [element] = found.value.elements;
  return element === null || element === undefined ? failed('not-found') : failed('conflict', 'the edge was deleted before');
}

function* connect(parameters: RequestParameters, who: Principal): Work {
  const verb = parameters.text('ogit/_type');
  const out = parameters.text('out');
  const into = parameters.text('in');
  if (verb === undefined) return missing('ogit/_type');
  if (out === undefined) return missing('out');
  if (into === undefined) return missing('in');
  const display = displayOptionsOf(parameters);
  const written = yield* write('connect', [{ op: 'connect', out, verb, in: into, ends: visibleTo(who), accounts: true }]);
  return written.ok ? showFirst(written.value, display) : written;
}

/** The vertex of the account. Users of an external provider have none here: their token describes them. */
function* me(who: Principal): Work {
  const found = yield* call(graphGet, { tenant: who.tenant }, { ids: [who.account], accounts: true });
  if (!found.ok) return found;
  const [element] = found.value.elements;
  return element?.type === 'ogit/Auth/Account'
    ? show(element, {})
    : answer({
        'ogit/_id': who.account,
        'ogit/_type': 'ogit/Auth/Account',
        'ogit/_graphtype': 'vertex',
        'ogit/_is-deleted': false,
        'ogit/_organization': who.tenant,
        'ogit/_scope': who.defaultScope,
        'ogit/name': who.username,
      });
}

const show = (element: Element, display: DisplayOptions): HiroAnswer => answer(toShownJson(element, display));

function showFirst({ operations }: MutationResult, display: DisplayOptions): HiroAnswer {
  const element = operations[0]?.elements[0];
  return element === undefined ? failed('not-found') : show(element, display);
}

const missing = (parameter: string) => failed('invalid', `${parameter} is missing`);

const readBody = (intent: Intent, body: unknown, { who, at, names }: Context): Checked =>
  fromBody(body, { intent, at, names, admin: who.roles.hiro?.includes('admin') === true });

function rejected({ failure }: Extract<Checked, { ok: false }>): Refused {
  const { errors, warnings, ...plain } = failure;
  return errors.length === 0 ? { ok: false, failure: plain } : { ok: false, failure: { code: plain.code }, result: { errors, warnings } };
}

/**
 * The filter on the state before a write: the caller may see the element, and its fixed attributes have the values that the request states.
 */
function writable(who: Principal, { type, xid, scope }: Fixed): Filter {
  const conditions: Filter[] = [visibleTo(who), { not: { test: 'in', path: ['type'], values: SHOWN_ONLY } }];
  if (type !== undefined) conditions.push({ test: 'equal', path: ['type'], value: type });
  if (xid !== undefined) conditions.push({ test: 'equal', path: ['xid'], value: xid });
  if (scope !== undefined) conditions.push({ test: 'equal', path: ['scope'], value: scope });
  return { all: conditions };
}

/**
 * Finds the reason of a write that the filter above rejected, or whose element is not writable: 400 for a fixed attribute, and another
 * error than "not found" for elements that HIRO only shows.
 */
function* explain(id: string, fixed: Fixed, who: Principal, failure: Failure): Work {
  const mayBeShown = failure.code === 'not-found' || failure.code === 'conflict';
  if (!mayBeShown && (failure.code !== 'not-allowed' || Object.keys(fixed).length === 0)) return { ok: false, failure };
  const found = yield* call(graphGet, { tenant: who.tenant }, { ids: [id], accounts: true });
  if (!found.ok) return found;
  const [element] = found.value.elements;
  const refusal = writeRefusalOf(element, who);
  if (mayBeShown) return { ok: false, failure: refusal?.code === 'not-allowed' ? refusal : failure };
  if (refusal !== undefined || element === null || element === undefined) return { ok: false, failure: refusal ?? failure };
  const errors = fixedViolations(fixed, element);
  return errors.length === 0 ? { ok: false, failure } : { ok: false, failure: { code: 'invalid' }, result: { errors, warnings: [] } };
}
