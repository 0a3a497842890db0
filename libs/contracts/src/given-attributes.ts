/**
 * The result of a write repeats the attributes that the write gives, and each megabyte costs both processes several copies. For a large
 * request a store therefore omits them, and the caller, which still has the request, puts them back.
 */
import type { JsonObject } from '@polyedge/query/json';
import type { MutationRequest, MutationResult, Operation } from './bus/graph.ts';

/** The result without the attributes that each operation gives, unless one of its elements does not have these very values. */
export function omitGiven({ operations }: MutationRequest, result: MutationResult): MutationResult {
  return {
    ...result,
    operations: result.operations.map((of, index) => {
      const given = givenBy(operations[index]);
      if (!of.elements.every(({ attributes }) => includes(attributes, given))) return of;
      const elements = of.elements.map((element) => ({ ...element, attributes: without(element.attributes, given) }));
      return { ...of, omitted: true, elements };
    }),
  };
}

/** The inverse of `omitGiven`; attributes may be in another order. */
export function restoreGiven({ operations }: MutationRequest, result: MutationResult): MutationResult {
  if (!result.operations.some(({ omitted }) => omitted === true)) return result;
  return {
    ...result,
    operations: result.operations.map(({ omitted, ...of }, index) => {
      if (omitted !== true) return of;
      const given = givenBy(operations[index]);
      return { ...of, elements: of.elements.map((element) => ({ ...element, attributes: { ...element.attributes, ...given } })) };
    }),
  };
}

/** The attributes that an operation gives; it may change them in another way as well. */
function givenBy(operation: Operation | undefined): JsonObject {
  switch (operation?.op) {
    case 'create':
    case 'connect':
    case 'replace':
      return operation.attributes ?? NOTHING;
    case 'update':
    case 'apply':
    case 'attach':
      return operation.set ?? NOTHING;
    default:
      return NOTHING;
  }
}

const NOTHING: JsonObject = {};

/** Compares by identity: comparing large lists and objects would cost more than it saves. */
const includes = (attributes: JsonObject, given: JsonObject): boolean =>
  Object.keys(given).every((name) => Object.hasOwn(attributes, name) && attributes[name] === given[name]);

const without = (attributes: JsonObject, given: JsonObject): JsonObject =>
  // fromEntries defines keys, so `__proto__` stays an attribute.
  Object.fromEntries(Object.entries(attributes).filter(([name]) => !Object.hasOwn(given, name)));
