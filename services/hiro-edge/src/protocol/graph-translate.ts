import { graphGet, graphHistory, type Operation } from '@polyedge/contracts/bus/graph';
import type { Origin } from '@polyedge/contracts/change';
import type { Element } from '@polyedge/contracts/element';
import type { Failure } from '@polyedge/contracts/errors';
import type { Principal } from '@polyedge/contracts/principal';
import type { GraphRequest } from '@polyedge/contracts/wire/hiro';
import type { Filter } from '@polyedge/query/filter';
import { versionId } from './attributes.ts';
import { type Checked, type Fixed, fixedViolations, fromBody, type Intent, type Write } from './body.ts';
import { getContent, meta } from './content.ts';
import { runQuery } from './graph-queries.ts';
import { events, history } from './history.ts';
import { isEdgeId, isReservedId } from './ids.ts';
import { editLists } from './lists.ts';
import { asObject, Parameters } from './parameters.ts';
import { defaultScopeXid, isShownOnly, refusalOf, SHOWN_ONLY, writeRefusalOf } from './reading.ts';
import { readValues, valueHistory, writeValues } from './series.ts';
import { showingOf, shown } from './showing.ts';
import { answer, ask, fail, type Step, write } from './step.ts';
import type { Showing } from './vertex.ts';
import { mayUseScope, visibleTo } from './visibility.ts';

/** For whom and under which rules a request is carried out. */
export interface Context {
  readonly who: Principal;
  /** The time of the request, in milliseconds since 1970. */
  readonly at: number;
  /** The id of a new vertex in a scope; another one at each call. */
  readonly newId: (scope: string) => string;
  readonly names: 'lenient' | 'strict';
}

/** How often an edit of a list is tried again when somebody else changed the vertex meanwhile; after that the client is told to (888). */
const EDIT_ATTEMPTS = 4;

/** What a graph-ws request, or the REST call that means the same, has to do first. `headers` and `body` may come from a URL, too. */
export function begin(request: Pick<GraphRequest, 'type' | 'headers' | 'body'>, context: Context): Step {
  const { type, headers } = request;
  const body = request.body ?? {};
  const fromHeaders = new Parameters(headers);
  const anywhere = new Parameters(headers, asObject(body));
  switch (type) {
    case 'get':
      return checked(anywhere, get(anywhere, context));
    case 'create':
      return checked(fromHeaders, create(fromHeaders, body, context));
    case 'update':
      return checked(fromHeaders, update(fromHeaders, body, context));
    case 'replace':
      return checked(fromHeaders, replace(fromHeaders, body, context));
    case 'delete':
      return checked(anywhere, remove(anywhere, context));
    case 'connect':
      return checked(anywhere, connect(anywhere, context));
    case 'query':
      return checked(anywhere, runQuery(anywhere, { ...headers, ...asObject(body) }, context.who, context.at));
    case 'writets':
      return checked(fromHeaders, writeValues(fromHeaders, body, context.who));
    case 'streamts':
      return checked(anywhere, readValues(anywhere, context.who, context.at));
    case 'valuehistory':
      return checked(anywhere, valueHistory(anywhere, context.who));
    case 'history':
      return checked(anywhere, history(anywhere, context.who));
    case 'events':
      return checked(anywhere, events(anywhere, context.who, context.at));
    case 'getcontent':
      return checked(anywhere, getContent(anywhere, context.who));
    case 'meta':
      return checked(anywhere, meta(anywhere, context.who));
    // hiro-graph-js 6.1 and the documentation say `me`, hiro-graph-js 7.5 says `getme`.
    case 'me':
    case 'getme':
      return me(context.who);
    default:
      return fail('invalid', `unknown type "${type}"`);
  }
}

/** How the journal names what a request did: events tell CREATE from REPLACE by it. */
export const originOf = (operation: string, way: Origin['way']): Origin => ({ protocol: 'hiro', way, operation });

/** Steps are values: one that was made from unreadable parameters is thrown away here, before anything was done. */
const checked = (parameters: Parameters, step: Step): Step =>
  parameters.problem === undefined ? step : fail('invalid', parameters.problem);

function get(parameters: Parameters, { who }: Context): Step {
  const id = parameters.text('ogit/_id');
  if (id === undefined) return missing('ogit/_id');
  const vid = parameters.text('vid');
  const showing = showingOf(parameters);
  const includeDeleted = parameters.flag('includeDeleted', 'include_deleted');
  return ask(
    graphGet,
    { tenant: who.tenant },
    { ids: [id], includeDeleted: includeDeleted || vid !== undefined, accounts: true },
    ({ elements }) => {
      const refusal = refusalOf(elements[0], who);
      if (refusal !== undefined) return { next: 'fail', failure: refusal };
      const element = elements[0];
      if (element === null || element === undefined) return fail('not-found');
      return vid === undefined || versionId(element) === vid ? show(element, showing) : getVersion(id, vid, showing, who);
    },
  );
}

/** A version's id begins with its time, so only the changes of that millisecond are looked at. */
function getVersion(id: string, vid: string, showing: Showing, who: Principal): Step {
  const on = Number(/^\d{1,15}/.exec(vid)?.[0] ?? Number.NaN);
  if (Number.isNaN(on)) return fail('not-found');
  return ask(
    graphHistory,
    { tenant: who.tenant },
    { elements: [id], from: on, to: on, limit: 1000, visible: visibleTo(who), accounts: true },
    ({ changes }) => {
      const state = changes.find((change) => change.state !== undefined && versionId(change.state) === vid)?.state;
      return state === undefined ? fail('not-found') : show(state, showing);
    },
  );
}

function create(parameters: Parameters, body: unknown, context: Context): Step {
  const { who } = context;
  const read = readBody('create', body, context);
  if (!read.ok) return rejected(read);
  const { id, xid, attributes, fixed } = read.value;
  const type = parameters.text('ogit/_type') ?? fixed.type;
  if (type === undefined) return missing('ogit/_type');
  if (isShownOnly(type)) return fail('not-allowed', `vertices of the type ${type} are not made here`);
  const scope = read.value.scope ?? who.defaultScope;
  if (!mayUseScope(who, scope)) return fail('not-allowed', 'this token may not write to that scope');
  const operation: Operation = {
    op: 'create',
    type,
    id: id ?? context.newId(scope),
    scope,
    attributes,
    ...(id === undefined ? {} : { accounts: true }),
    ...(xid === undefined ? {} : { xid, unique: ['xid'] }),
  };
  return write([operation], showFirst(showingOf(parameters)));
}

function update(parameters: Parameters, body: unknown, context: Context): Step {
  const { who } = context;
  const id = parameters.text('ogit/_id');
  if (id === undefined) return missing('ogit/_id');
  const read = readBody('update', body, context);
  if (!read.ok) return rejected(read);
  const { set, put, unset, edits, fixed } = read.value;
  const showing = showingOf(parameters);
  const operation: Extract<Operation, { op: 'update' }> = {
    op: 'update',
    target: { id },
    set,
    unset: [...unset],
    put: put.map(({ path, value }) => ({ path: [...path], value })),
    before: writable(who, fixed),
    after: visibleTo(who),
  };
  if (edits.length > 0) return editList(operation, id, read.value, showing, context, EDIT_ATTEMPTS);
  return write([operation], showFirst(showing), explain(id, fixed, who));
}

/** Adding to a list or removing from it starts from what is there, so it is written only onto the version that was read. */
function editList(
  operation: Extract<Operation, { op: 'update' }>,
  id: string,
  body: Write,
  showing: Showing,
  context: Context,
  attempts: number,
): Step {
  const { who } = context;
  const { set, put, edits, fixed } = body;
  if (attempts === 0) return fail('busy', 'somebody else changed this vertex at the same time; send the request again');
  return ask(graphGet, { tenant: who.tenant }, { ids: [id], accounts: true }, ({ elements }) => {
    const [element] = elements;
    const refusal = writeRefusalOf(element, who);
    if (refusal !== undefined || element === undefined || element === null)
      return { next: 'fail', failure: refusal ?? { code: 'not-found' } };
    const edited = editLists(element, edits);
    return write(
      [
        {
          ...operation,
          set: { ...set, ...edited.set },
          put: [...put.map(({ path, value }) => ({ path: [...path], value })), ...edited.put],
          version: element.version,
        },
      ],
      showFirst(showing),
      (failure) =>
        failure.code === 'conflict' ? editList(operation, id, body, showing, context, attempts - 1) : explain(id, fixed, who)(failure),
    );
  });
}

function replace(parameters: Parameters, body: unknown, context: Context): Step {
  const { who } = context;
  const id = parameters.text('ogit/_id');
  if (id === undefined) return missing('ogit/_id');
  const read = readBody('replace', body, context);
  if (!read.ok) return rejected(read);
  const { attributes, fixed, xid } = read.value;
  const creates = parameters.flag('createIfNotExists');
  const type = parameters.text('ogit/_type') ?? fixed.type;
  if (creates && type === undefined) return missing('ogit/_type');
  if (creates && type !== undefined && isShownOnly(type)) return fail('not-allowed', `vertices of the type ${type} are not made here`);
  if (creates && isReservedId(id)) return fail('invalid', 'ogit/_id is reserved');
  const scope = read.value.scope ?? fixed.scope ?? who.defaultScope;
  if (creates && !mayUseScope(who, scope)) return fail('not-allowed', 'this token may not write to that scope');
  const operation: Operation = {
    op: 'replace',
    target: { id },
    attributes,
    keep: ['ogit/_'],
    before: writable(who, fixed),
    after: visibleTo(who),
    ...(creates && type !== undefined
      ? {
          ifMissing: { type, id, scope, attributes, accounts: true, ...(xid === undefined ? {} : { xid }) },
          ...(xid === undefined ? {} : { unique: ['xid'] }),
        }
      : {}),
  };
  return write([operation], showFirst(showingOf(parameters)), explain(id, fixed, who));
}

function remove(parameters: Parameters, { who }: Context): Step {
  const id = parameters.text('ogit/_id');
  if (id === undefined) return missing('ogit/_id');
  const gone = ({ operations }: { readonly operations: readonly { readonly elements: readonly Element[] }[] }): Step => {
    const elements = operations.flatMap((operation) => operation.elements);
    const element = elements.find((candidate) => candidate.id === id) ?? elements[0];
    return element === undefined ? fail('not-found') : show(element, showingOf(parameters));
  };
  const lasting: Filter = { not: { test: 'equal', path: ['xid'], value: defaultScopeXid(who) } };
  return write([{ op: 'delete', target: { id }, before: { all: [writable(who, {}), lasting] } }], gone, (failure) => {
    if (failure.code !== 'not-found' || !isEdgeId(id)) return explain(id, {}, who)(failure);
    // Deleting an edge again is a conflict (HIRO Graph API); clients that disconnect take both answers as done.
    return ask(graphGet, { tenant: who.tenant }, { ids: [id], includeDeleted: true, visible: visibleTo(who) }, ({ elements }) =>
      elements[0] === null || elements[0] === undefined ? fail('not-found') : fail('conflict', 'the edge was deleted before'),
    );
  });
}

function connect(parameters: Parameters, { who }: Context): Step {
  const verb = parameters.text('ogit/_type');
  const out = parameters.text('out');
  const into = parameters.text('in');
  if (verb === undefined) return missing('ogit/_type');
  if (out === undefined) return missing('out');
  if (into === undefined) return missing('in');
  return write([{ op: 'connect', out, verb, in: into, ends: visibleTo(who), accounts: true }], showFirst(showingOf(parameters)));
}

/** The account as the vertex that everybody finds under its id. Users of an outside provider have none here: their token says who they are. */
function me(who: Principal): Step {
  return ask(graphGet, { tenant: who.tenant }, { ids: [who.account], accounts: true }, ({ elements: [element] }) =>
    element?.type === 'ogit/Auth/Account'
      ? show(element, {})
      : answer({
          'ogit/_id': who.account,
          'ogit/_type': 'ogit/Auth/Account',
          'ogit/_graphtype': 'vertex',
          'ogit/_is-deleted': false,
          'ogit/_organization': who.tenant,
          'ogit/_scope': who.defaultScope,
          'ogit/name': who.username,
        }),
  );
}

const show = (element: Element, showing: Showing): Step => answer(shown(element, showing));

const showFirst =
  (showing: Showing) =>
  ({ operations }: { readonly operations: readonly { readonly elements: readonly Element[] }[] }): Step => {
    const element = operations[0]?.elements[0];
    return element === undefined ? fail('not-found') : show(element, showing);
  };

const missing = (parameter: string): Step => fail('invalid', `${parameter} is missing`);

const readBody = (intent: Intent, body: unknown, { who, at, names }: Context): Checked =>
  fromBody(body, { intent, at, names, admin: who.roles.hiro?.includes('admin') === true });

function rejected({ failure }: Extract<Checked, { ok: false }>): Step {
  const { errors, warnings, ...plain } = failure;
  return errors.length === 0
    ? { next: 'fail', failure: plain }
    : { next: 'fail', failure: { code: plain.code }, result: { errors, warnings } };
}

/** The filter on the state before a write: the caller may see it, and what must not change is as the caller believes. */
function writable(who: Principal, { type, xid, scope }: Fixed): Filter {
  const conditions: Filter[] = [visibleTo(who), { not: { test: 'in', path: ['type'], values: SHOWN_ONLY } }];
  if (type !== undefined) conditions.push({ test: 'equal', path: ['type'], value: type });
  if (xid !== undefined) conditions.push({ test: 'equal', path: ['xid'], value: xid });
  if (scope !== undefined) conditions.push({ test: 'equal', path: ['scope'], value: scope });
  return { all: conditions };
}

/**
 * A write that the filter above refused, or whose element is not among those that can be written, is looked at again: to say 400 where a fixed
 * attribute was the reason, and that what HIRO only shows is there.
 */
function explain(id: string, fixed: Fixed, who: Principal): (failure: Failure) => Step {
  return (failure) => {
    const mayBeShown = failure.code === 'not-found' || failure.code === 'conflict';
    if (!mayBeShown && (failure.code !== 'not-allowed' || Object.keys(fixed).length === 0)) return { next: 'fail', failure };
    return ask(graphGet, { tenant: who.tenant }, { ids: [id], accounts: true }, ({ elements: [element] }) => {
      const refusal = writeRefusalOf(element, who);
      if (mayBeShown) return { next: 'fail', failure: refusal?.code === 'not-allowed' ? refusal : failure };
      if (refusal !== undefined || element === null || element === undefined) return { next: 'fail', failure: refusal ?? failure };
      const errors = fixedViolations(fixed, element);
      return errors.length === 0
        ? { next: 'fail', failure }
        : { next: 'fail', failure: { code: 'invalid' }, result: { errors, warnings: [] } };
    });
  };
}
