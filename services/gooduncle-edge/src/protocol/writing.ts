/** The operations of create, update and delete, and the mapping of their failures (protocol page 3.3, 3.5, 3.6 and section 5). */
import type { Operation } from '@polyedge/contracts/bus/graph';
import type { Failure } from '@polyedge/contracts/errors';
import { EVERYTHING, type Filter } from '@polyedge/query/filter';
import type { Json, JsonObject } from '@polyedge/query/json';
import { putInto } from '@polyedge/query/own-properties';
import { compile } from '@polyedge/query/predicate';
import { type Allowed, all, either, forbiddenField } from './access.ts';
import type { Criteria, NamedField } from './criteria.ts';
import { badRequest, type ErrorResponse, forbidden, type IncidentLog, problem, storeRefusal } from './problems.ts';
import type { RequestOfType } from './requests.ts';
import { allows, type Topic } from './topics.ts';
import { read, type SessionWork, writeBy } from './work.ts';

/** Operations with the rule that allows them, or the reason for a rejection. */
export type WritePlan =
  | { readonly ok: true; readonly operations: readonly Operation[]; readonly rule: Allowed }
  | { readonly ok: false; readonly refusal: ErrorResponse };

const refused = (refusal: ErrorResponse): WritePlan => ({ ok: false, refusal });

/** All elements of a topic. */
export const elementsOf = (topic: Topic, scope: string): Filter => ({
  all: [
    { test: 'equal', path: ['type'], value: topic.type },
    { test: 'equal', path: ['scope'], value: scope },
    { test: 'equal', path: ['kind'], value: 'vertex' },
  ],
});

/** @param id the new resource's */
export function planCreate(
  topic: Topic,
  rules: readonly Allowed[],
  request: RequestOfType<'create'>,
  id: string,
  scope: string,
): WritePlan {
  const given = expanded(request.params);
  if (given === undefined) return refused(badRequest(problem('value', 'params')));
  if (request.id !== undefined && !topic.clientIds) return refused(forbidden('field', 'params.id'));
  let reason: ErrorResponse = forbidden('role');
  for (const rule of rules) {
    const barred = request.params.named.find(({ field }) => !writable(rule, field));
    if (barred !== undefined) {
      reason = forbidden('field', barred.place);
      continue;
    }
    const attributes = { ...given, ...rule.set };
    if (!compile(rule.check)(imagined(topic, id, scope, attributes))) {
      reason = forbidden('row');
      continue;
    }
    return { ok: true, rule, operations: [{ op: 'create', type: topic.type, id, scope, attributes }] };
  }
  return refused(reason);
}

/**
 * One role must allow the whole update of each row. With several such rules, a first operation that changes nothing counts and guards all
 * rows together; then each rule writes the rows that no earlier one has written.
 */
export function planUpdate(
  topic: Topic,
  rules: readonly Allowed[],
  reads: readonly Allowed[],
  request: RequestOfType<'update'>,
  scope: string,
): WritePlan {
  const { params, unset, expect } = request;
  const named = [...params.named, ...unset.map((field, at) => ({ field, place: `unset.${at}` }))];
  const usable = rules.filter((rule) => named.every(({ field }) => writable(rule, field)));
  const [first] = usable;
  if (first === undefined) {
    const barred = named.find(({ field }) => !rules.some((rule) => writable(rule, field))) ?? named[0];
    return refused(forbidden('field', barred?.place ?? null));
  }
  const target = targets(topic, scope, request.criteria, reads);
  if ('problems' in target) return refused(target);
  const bounds = { atMost: topic.maxAffected, ...(expect === undefined ? {} : { expect }) };
  const write = (rule: Allowed, where: Filter) => ({
    op: 'update' as const,
    target: { where },
    set: { ...params.set, ...rule.set },
    put: params.put.map(({ path, value }) => ({ path: [...path], value })),
    unset: [...unset],
    ...(rule.check === EVERYTHING ? {} : { after: rule.check }),
  });
  const free = usable.find((rule) => rule.rows === EVERYTHING && rule.check === EVERYTHING);
  const only = free ?? (rules.length === 1 ? first : undefined);
  if (only !== undefined) {
    return { ok: true, rule: only, operations: [{ ...write(only, all([target.filter, only.rows])), ...bounds }] };
  }
  const guard: Operation = {
    op: 'update',
    target: { where: all([target.filter, either(rules)]) },
    before: either(usable),
    ...bounds,
  };
  // What one rule has written may now be among the rows of another.
  const writes = usable.map((rule, at): Operation => {
    const where = all([target.filter, rule.rows, ...usable.slice(0, at).map(({ rows }): Filter => ({ not: rows }))]);
    return { ...write(rule, where), unchangedOnly: true };
  });
  return { ok: true, rule: first, operations: [guard, ...writes] };
}

export function planDelete(
  topic: Topic,
  rules: readonly Allowed[],
  reads: readonly Allowed[],
  request: RequestOfType<'delete'>,
  scope: string,
): WritePlan {
  const target = targets(topic, scope, request.criteria, reads);
  if ('problems' in target) return refused(target);
  const [rule] = rules;
  if (rule === undefined) return refused(forbidden('role'));
  const { expect } = request;
  const where = all([target.filter, either(rules)]);
  return {
    ok: true,
    rule,
    operations: [{ op: 'delete', target: { where }, atMost: topic.maxAffected, ...(expect === undefined ? {} : { expect }) }],
  };
}

/** The rows that the criteria of a write select, before its own row rules: a field can be used only where it may be read. */
function targets(topic: Topic, scope: string, criteria: Criteria, reads: readonly Allowed[]): { readonly filter: Filter } | ErrorResponse {
  const hidden = forbiddenField(reads, criteria.fields.filter(notId));
  if (hidden !== undefined) return forbidden('field', hidden.place);
  const fields = new Set(criteria.fields.filter(notId).map(({ field }) => field));
  const readable = [...fields].map((field) => either(reads.filter((rule) => allows(rule.fields, field))));
  return { filter: all([elementsOf(topic, scope), criteria.filter, ...readable]) };
}

const notId = ({ field }: NamedField): boolean => field !== 'id';

const writable = (rule: Allowed, field: string): boolean => allows(rule.fields, field) && !Object.hasOwn(rule.set, field);

/** Parameters as whole fields; undefined if a dotted value would be inside something that is no object. */
function expanded({ set, put }: RequestOfType<'create'>['params']): JsonObject | undefined {
  const attributes: Record<string, Json> = { ...set };
  const copies = new Set<JsonObject>([attributes]);
  for (const { path, value } of put) if (putInto(attributes, path, value, copies) === undefined) return undefined;
  return attributes;
}

/** The new row, for evaluating rules. Rules cannot refer to its time and author. */
function imagined(topic: Topic, id: string, scope: string, attributes: JsonObject) {
  const stamp = { on: 0, by: '', app: '' };
  return {
    id,
    kind: 'vertex',
    type: topic.type,
    scope,
    version: 1,
    seq: 0,
    deleted: false,
    created: stamp,
    modified: stamp,
    attributes,
  } as const;
}

/** The guard of an operation that failed: the word after the operation's number in the store's detail. */
export const guardOf = (detail = ''): string => /^(?:operations\/\d+[/:]?\s*)?(\w*)/.exec(detail)?.[1] ?? '';

/** Maps a failed write for the client. */
export function writeRefusal({ code, detail = '', ...rest }: Failure, log: IncidentLog): ErrorResponse {
  if (code === 'conflict') {
    return guardOf(detail) === 'expect'
      ? badRequest(problem('value', 'expect', { message: 'another number of resources matches' }))
      : badRequest(problem('duplicate', 'params.id'));
  }
  if (code === 'not-allowed') {
    if (guardOf(detail) === 'atMost') return forbidden('limit', 'criteria');
    return forbidden(guardOf(detail) === 'before' ? 'field' : 'row');
  }
  if (code === 'too-large' && detail.includes('selected')) return forbidden('limit', 'criteria');
  if (code === 'invalid' || code === 'too-large') return badRequest(problem(code === 'invalid' ? 'value' : 'too large', 'params'));
  return storeRefusal({ code, detail, ...rest }, log);
}

// ---- `once`

/** How long a `once` is remembered. */
const ONCE_MS = 600_000;
const ONCE_TYPE = 'gooduncle/Once';

/**
 * Precedes a create: rejects it (`not-allowed`, before) while the same `once` is remembered, and remembers it in the same commit.
 * @param name identifies principal, topic and `once`
 * @param answer the answer to a repetition
 */
export function recordOnce(name: string, scope: string, answer: JsonObject, at: number): Operation {
  return {
    op: 'update',
    // Another client may have computed the id and created another element with it.
    target: { id: name, where: { all: [...oncesIn(scope)] } },
    set: { answer },
    touch: true,
    before: { test: 'less', path: ['modified', 'on'], value: Math.floor(at - ONCE_MS) },
    ifMissing: { type: ONCE_TYPE, id: name, scope, attributes: {} },
  };
}

const oncesIn = (scope: string): readonly Filter[] => [
  { test: 'equal', path: ['type'], value: ONCE_TYPE },
  { test: 'equal', path: ['scope'], value: scope },
];

/** Expired entries that are deleted together: an operation of the store selects a limited number. */
const FORGOTTEN_AT_ONCE = 1000;

/** Deletes expired entries, until none is left or the store fails: what is not deleted now is deleted later. */
export function* forgetExpired(rule: Allowed, scope: string, at: number): SessionWork {
  const filter: Filter = {
    all: [...oncesIn(scope), { test: 'less', path: ['modified', 'on'], value: Math.floor(at - ONCE_MS) }],
  };
  for (;;) {
    const found = yield* read({ filter, limit: FORGOTTEN_AT_ONCE, fields: [] });
    const ids = found.ok ? found.value.elements.map(({ id }) => id) : [];
    if (ids.length === 0) return;
    // Checked again: the same `once` may have been used anew.
    const where: Filter = { all: [filter, { test: 'in', path: ['id'], values: ids }] };
    const written = yield* writeBy(rule, 'forget', [{ op: 'delete', target: { where } }]);
    if (!written.ok || ids.length < FORGOTTEN_AT_ONCE) return;
  }
}
