import { randomBytes } from 'node:crypto';
import { graphChanges } from '@polyedge/contracts/bus/feed';
import { graphGet, graphHistory, graphMutate, graphQuery } from '@polyedge/contracts/bus/graph';
import { type Change, isFull, stateBefore } from '@polyedge/contracts/change';
import type { Element } from '@polyedge/contracts/element';
import { failed, type Outcome } from '@polyedge/contracts/errors';
import { operationId } from '@polyedge/contracts/operation-id';
import type { Principal } from '@polyedge/contracts/principal';
import type { Filter } from '@polyedge/query/filter';
import type { Json, JsonObject } from '@polyedge/query/json';
import type { Bus } from '@polyedge/service-kit/bus';
import { busOfTenant } from '@polyedge/service-kit/journal-bus';
import type { Log } from '@polyedge/service-kit/log';
import { nameOf } from '../live/tail.ts';
import { maySee, visibleTo } from '../visibility.ts';
import { objectOf, TIMEOUT_MS } from './answer.ts';

/** Maximum elements per page of a search, edges of an element, and changes of its history. */
const [MAX_FOUND, MAX_EDGES, MAX_HISTORY] = [50, 60, 50];
const timeout = { timeoutMs: TIMEOUT_MS };

/** An element for the page. Attributes are JSON text, so that large integers stay exact. */
export interface ElementView extends Omit<Element, 'attributes'> {
  readonly name?: string;
  readonly attributes: string;
}

export async function search(bus: Bus, who: Principal, fields: Readonly<Record<string, string | undefined>>): Promise<Outcome<unknown>> {
  const { text = '', type = '', cursor } = fields;
  const wanted: Filter[] = [visibleTo(who)];
  if (type !== '') wanted.push({ test: 'text-like', path: ['type'], pattern: `*${escaped(type)}*`, fold: true });
  if (text !== '') {
    const like = (path: readonly string[]): Filter => ({ test: 'text-like', path, pattern: `*${escaped(text)}*`, fold: true });
    wanted.push({
      any: [
        { test: 'equal', path: ['id'], value: text },
        like(['xid']),
        like(['attributes', 'ogit/name']),
        like(['attributes', 'name']),
        like(['id']),
      ],
    });
  }
  const found = await bus.request(
    graphQuery,
    graphQuery.subject({ tenant: who.tenant }),
    { filter: { all: wanted }, sort: [{ path: ['seq'], order: 'desc' }], limit: MAX_FOUND, ...(cursor === undefined ? {} : { cursor }) },
    timeout,
  );
  if (!found.ok) return found;
  const { elements, cursor: next } = found.value;
  return { ok: true, value: { elements: elements.map(summaryOf), ...(next === undefined ? {} : { cursor: next }) } };
}

/** An element with its edges and its history. */
export async function open(bus: Bus, who: Principal, id: string): Promise<Outcome<unknown>> {
  const { tenant } = who;
  const visible = visibleTo(who);
  const ends: Filter = {
    any: [
      { test: 'equal', path: ['out'], value: id },
      { test: 'equal', path: ['in'], value: id },
    ],
  };
  const [got, around, history] = await Promise.all([
    bus.request(graphGet, graphGet.subject({ tenant }), { ids: [id], includeDeleted: true, visible }, timeout),
    bus.request(graphQuery, graphQuery.subject({ tenant }), { filter: { all: [visible, ends] }, limit: MAX_EDGES, count: true }, timeout),
    bus.request(graphHistory, graphHistory.subject({ tenant }), { elements: [id], limit: MAX_HISTORY, visible }, timeout),
  ]);
  if (!got.ok) return got;
  const element = got.value.elements[0];
  if (element === null || element === undefined) return failed('not-found', 'there is no such element');
  if (!around.ok) return around;
  const changes = history.ok ? history.value.changes : [];
  const edges = around.value.elements;
  const others = [...new Set(edges.flatMap((edge) => [edge.out, edge.in]).filter((end): end is string => end !== undefined && end !== id))];
  const neighbours =
    others.length === 0 ? undefined : await bus.request(graphGet, graphGet.subject({ tenant }), { ids: others, visible }, timeout);
  return {
    ok: true,
    value: {
      element: viewOf(element),
      edges: edges.map(({ id: edge, type, out, in: into }) => ({ id: edge, type, out, in: into })),
      edgeCount: around.value.count ?? edges.length,
      neighbours: neighbours?.ok === true ? neighbours.value.elements.flatMap((one) => (one === null ? [] : [summaryOf(one)])) : [],
      history: changes.map(changeOf),
      more: history.ok && history.value.more,
    },
  };
}

/** One change with the states before and after it. */
export async function openChange(bus: Bus, who: Principal, epoch: string, seq: number): Promise<Outcome<unknown>> {
  const found = await busOfTenant(bus, who.tenant).request(graphChanges, graphChanges.subject({}), { epoch, seqs: [seq] }, timeout);
  if (!found.ok) return found;
  const change = found.value.changes.find((one) => one.seq === seq);
  if (change === undefined || change.tenant !== who.tenant || !maySee(who, change.scope))
    return failed('not-found', 'there is no such change');
  return { ok: true, value: changeOf(change) };
}

/** Replaces the attributes, if the element still has the version that was shown. */
export async function edit(bus: Bus, log: Log, who: Principal, id: string, body: unknown): Promise<Outcome<unknown>> {
  const { version, attributes } = objectOf(body);
  if (typeof version !== 'number' || !Number.isInteger(version) || version < 1)
    return failed('invalid', 'the version that was seen is missing');
  if (typeof attributes !== 'object' || attributes === null || Array.isArray(attributes))
    return failed('invalid', 'attributes are an object');
  const visible = visibleTo(who);
  const request = {
    operationId: operationId(Date.now(), randomBytes(10)),
    by: who.account,
    app: who.app,
    origin: { protocol: 'console', way: 'rest', operation: 'edit' },
    operations: [{ op: 'replace', target: { id }, attributes, version, before: visible, after: visible }],
  };
  const { tenant, defaultScope } = who;
  const written = await bus.request(graphMutate, graphMutate.subject({ tenant }), { defaultScope, requests: [request] }, timeout);
  if (!written.ok) return written;
  const outcome = written.value.outcomes[0];
  if (outcome === undefined) return failed('internal');
  if (!outcome.ok) {
    return outcome.failure.code === 'conflict' ? failed('conflict', 'the element was changed meanwhile; load it again') : outcome;
  }
  log.info('an administrator changed an element', { id, by: who.account, seq: outcome.value.last });
  const element = outcome.value.operations[0]?.elements[0];
  return element === undefined ? failed('internal') : { ok: true, value: { element: viewOf(element), seq: outcome.value.last } };
}

const viewOf = ({ attributes, ...rest }: Element): ElementView => {
  const name = nameOf(attributes);
  return { ...rest, ...(name === undefined ? {} : { name }), attributes: JSON.stringify(attributes, undefined, 2) };
};

const summaryOf = ({ id, kind, type, version, seq, attributes, modified, deleted, out, in: into }: Element) => {
  const name = nameOf(attributes);
  return {
    id,
    kind,
    type,
    version,
    seq,
    deleted,
    on: modified.on,
    by: modified.by,
    ...(name === undefined ? {} : { name }),
    ...(out === undefined ? {} : { out, in: into }),
  };
};

function changeOf(change: Change) {
  const { seq, on, id, type, kind, action, version, by, app, origin, operationId: operation, first, last } = change;
  const before = isFull(change) ? stateBefore(change.state, change.undo) : undefined;
  return {
    ...{ seq, on, id, type, kind, action, version, by, app, first, last },
    protocol: origin.protocol,
    way: origin.way,
    operation: origin.operation,
    operationId: operation,
    differences: isFull(change) ? differences(before?.attributes ?? {}, change.state.attributes) : [],
    before: before === undefined ? null : JSON.stringify(before.attributes, undefined, 2),
    after: change.state === undefined ? null : JSON.stringify(change.state.attributes, undefined, 2),
  };
}

/** The changes of each attribute, as JSON text; null: absent. */
export function differences(
  before: JsonObject,
  after: JsonObject,
): { readonly name: string; readonly before: string | null; readonly after: string | null }[] {
  const textOf = (attributes: JsonObject, name: string) => (Object.hasOwn(attributes, name) ? jsonText(attributes[name]) : null);
  return [...new Set([...Object.keys(before), ...Object.keys(after)])]
    .sort()
    .map((name) => ({ name, before: textOf(before, name), after: textOf(after, name) }))
    .filter((one) => one.before !== one.after);
}

const jsonText = (value: Json | undefined): string | null => (value === undefined ? null : JSON.stringify(value));

/** A pattern that matches exactly this text. */
export const escaped = (text: string): string => text.replace(/[\\*?]/g, '\\$&');
