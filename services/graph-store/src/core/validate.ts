/** Rejects requests before a batch is formed that would abort the whole batch's SQL or exceed the store's limits. */
import type { MutationRequest, Operation } from '@polyedge/contracts/bus/graph';
import { SYSTEM_SCOPE } from '@polyedge/contracts/element';
import { type Failure, failed } from '@polyedge/contracts/errors';
import type { Json, JsonObject } from '@polyedge/query/json';
import { parseFilter } from '@polyedge/query/validate';
import { CONTENT_ATTRIBUTE } from './content-attribute.ts';
import { MAX_EDGE_ID_BYTES, MAX_NAME_BYTES } from './limits.ts';
import { isEdgeId } from './plan.ts';
import { problemOfText, problemOfValue } from './storable.ts';

/** A failure names the operation if a single one caused it. */
export type Validated =
  | { readonly ok: true; readonly value: undefined }
  | { readonly ok: false; readonly failure: Failure; readonly operation?: number };

/** A problem and its place inside an operation (a JSON pointer without the leading slash). */
interface RequestProblem {
  readonly code: 'invalid' | 'too-large' | 'not-allowed';
  readonly place: string;
  readonly text: string;
}

type Target = Exclude<Operation, { op: 'create' | 'connect' }>['target'];
type IfMissing = NonNullable<Extract<Operation, { op: 'update' }>['ifMissing']>;

/**
 * Checks a request that matches its schema. The detail of a failure names the place ("operations/0/attributes/ogit~1name: …") and
 * never repeats a value. Costs a few hundred nanoseconds for a small request, never more than one walk over a large one.
 */
export function validateRequest(request: MutationRequest): Validated {
  const problem =
    problemOfText(request.by, 'by') ?? problemOfText(request.app, 'app') ?? problemOfText(request.origin.operation, 'origin/operation');
  if (problem !== undefined) return failed(problem.code, `${problem.place}: ${problem.text}`);
  for (const [index, operation] of request.operations.entries()) {
    const found = problemOf(operation);
    if (found === undefined) continue;
    const place = found.place === '' ? `operations/${index}` : `operations/${index}/${found.place}`;
    return { ...failed(found.code, `${place}: ${found.text}`), operation: index };
  }
  return { ok: true, value: undefined };
}

/** Checks the default scope of new elements, which is part of a message of requests and not of each request. */
export function validateScope(defaultScope: string): Validated {
  const problem = problemOfType(defaultScope, 'defaultScope');
  return problem === undefined ? { ok: true, value: undefined } : failed(problem.code, `${problem.place}: ${problem.text}`);
}

function problemOf(operation: Operation): RequestProblem | undefined {
  switch (operation.op) {
    case 'create':
      return problemOfMade(operation, '') ?? problemOfGuards(operation);
    case 'connect':
      return (
        problemOfName(operation.out, 'out') ??
        problemOfName(operation.in, 'in') ??
        problemOfType(operation.verb, 'verb') ??
        problemOfVertexId(operation.verb, 'verb') ??
        problemOfAttributes(operation.attributes, 'attributes') ??
        problemOfFilter(operation.ends, 'ends') ??
        problemOfFilter(operation.after, 'after')
      );
    default:
      return problemOfTarget(operation.target) ?? problemOfChange(operation) ?? problemOfGuards(operation);
  }
}

function problemOfChange(operation: Exclude<Operation, { op: 'create' | 'connect' }>): RequestProblem | undefined {
  switch (operation.op) {
    case 'update':
      return (
        problemOfAttributes(operation.set, 'set') ??
        first(operation.put, ({ path, value }, at) => problemOfPut(path, value, `put/${at}`)) ??
        first(operation.unset, (name, at) => problemOfAttribute(name, `unset/${at}`)) ??
        problemOfIfMissing(operation.target, operation.ifMissing)
      );
    case 'replace':
      return problemOfAttributes(operation.attributes, 'attributes') ?? problemOfIfMissing(operation.target, operation.ifMissing);
    case 'delete':
      return undefined;
    case 'apply':
      return (
        problemOfAttribute(operation.attribute, 'attribute') ??
        (operation.key === undefined ? undefined : problemOfText(operation.key, 'key')) ??
        // The value is stored in a list in the attribute, or in a list under a key of it.
        problemOfValue(operation.value, 'value', operation.operator.startsWith('h') ? 3 : 2) ??
        problemOfAttributes(operation.set, 'set') ??
        problemOfIfMissing(operation.target, operation.ifMissing)
      );
    case 'write-values':
      return first(
        operation.values,
        ({ at, value, ttlMs }, index) =>
          (value === null ? { code: 'invalid', place: `values/${index}/value`, text: 'is null' } : undefined) ??
          problemOfValue(value, `values/${index}/value`, 0) ??
          (Number.isSafeInteger(at) && (ttlMs === undefined || Number.isSafeInteger(at + ttlMs))
            ? undefined
            : { code: 'invalid', place: `values/${index}`, text: 'is not a time in milliseconds' }),
      );
    case 'attach':
      return (
        (operation.content === null ? undefined : problemOfText(operation.content, 'content')) ?? problemOfAttributes(operation.set, 'set')
      );
  }
}

function problemOfGuards(operation: Exclude<Operation, { op: 'connect' }>): RequestProblem | undefined {
  const { after, schema, unique } = operation;
  return (
    problemOfFilter(after, 'after') ??
    ('before' in operation ? problemOfFilter(operation.before, 'before') : undefined) ??
    (schema && (problemOfName(schema.id, 'schema/id') ?? problemOfName(schema.attribute, 'schema/attribute'))) ??
    first(unique, (name, at) => problemOfName(name, `unique/${at}`))
  );
}

function problemOfTarget(target: Target): RequestProblem | undefined {
  if (!('id' in target)) return problemOfFilter(target.where, 'target/where');
  const maxBytes = isEdgeId(target.id) ? MAX_EDGE_ID_BYTES : MAX_NAME_BYTES;
  return problemOfName(target.id, 'target/id', maxBytes) ?? problemOfFilter(target.where, 'target/where');
}

function problemOfIfMissing(target: Target, ifMissing: IfMissing | undefined): RequestProblem | undefined {
  if (ifMissing === undefined) return undefined;
  if ('id' in target) {
    if (ifMissing.id !== undefined && ifMissing.id !== target.id) {
      return { code: 'invalid', place: 'ifMissing/id', text: 'is not the id of the target' };
    }
    const problem = problemOfVertexId(target.id, 'target/id');
    if (problem !== undefined) return problem;
  }
  return problemOfMade(ifMissing, 'ifMissing/');
}

function problemOfMade(made: IfMissing, place: string): RequestProblem | undefined {
  return (
    problemOfType(made.type, `${place}type`) ??
    (made.id === undefined ? undefined : (problemOfName(made.id, `${place}id`) ?? problemOfVertexId(made.id, `${place}id`))) ??
    (made.scope === undefined ? undefined : problemOfType(made.scope, `${place}scope`)) ??
    (made.xid === undefined ? undefined : problemOfName(made.xid, `${place}xid`)) ??
    problemOfAttributes(made.attributes, `${place}attributes`)
  );
}

function problemOfName(name: string, place: string, maxBytes = MAX_NAME_BYTES): RequestProblem | undefined {
  if (name === '') return { code: 'invalid', place, text: 'is empty' };
  if (name.length * 3 > maxBytes && Buffer.byteLength(name) > maxBytes) {
    return { code: 'invalid', place, text: `is longer than ${maxBytes} bytes` };
  }
  return problemOfText(name, place);
}

// Without these rules two edges could have the same id: `a$` with verb `v` and `a` with verb `$v`.
function problemOfVertexId(id: string, place: string): RequestProblem | undefined {
  return isEdgeId(id) || id.endsWith('$') ? { code: 'invalid', place, text: 'contains $$ or ends in $' } : undefined;
}

/** Types and scopes: `system` belongs to the store itself. */
function problemOfType(name: string, place: string): RequestProblem | undefined {
  if (name === SYSTEM_SCOPE || name.startsWith(`${SYSTEM_SCOPE}/`)) return { code: 'not-allowed', place, text: 'is reserved' };
  return problemOfName(name, place);
}

function problemOfAttribute(name: string, place: string): RequestProblem | undefined {
  return name === CONTENT_ATTRIBUTE
    ? { code: 'not-allowed', place, text: 'is written by attaching content only' }
    : problemOfText(name, place);
}

function problemOfAttributes(attributes: JsonObject | undefined, place: string): RequestProblem | undefined {
  if (attributes === undefined) return undefined;
  return Object.hasOwn(attributes, CONTENT_ATTRIBUTE)
    ? problemOfAttribute(CONTENT_ATTRIBUTE, `${place}/${CONTENT_ATTRIBUTE.replace('/', '~1')}`)
    : problemOfValue(attributes, place, 0);
}

function problemOfPut(path: readonly string[], value: Json, place: string): RequestProblem | undefined {
  return (
    problemOfAttribute(path[0] ?? '', `${place}/path/0`) ??
    first(path, (name, at) => problemOfText(name, `${place}/path/${at}`)) ??
    problemOfValue(value, `${place}/value`, path.length)
  );
}

function problemOfFilter(filter: unknown, place: string): RequestProblem | undefined {
  if (filter === undefined) return undefined;
  const parsed = parseFilter(filter);
  return parsed.ok ? undefined : { code: 'invalid', place, text: parsed.problem };
}

function first<Item>(
  items: readonly Item[] | undefined,
  check: (item: Item, at: number) => RequestProblem | undefined,
): RequestProblem | undefined {
  if (items === undefined) return undefined;
  for (let at = 0; at < items.length; at += 1) {
    const item = items[at];
    const problem = item === undefined ? undefined : check(item, at);
    if (problem !== undefined) return problem;
  }
  return undefined;
}
