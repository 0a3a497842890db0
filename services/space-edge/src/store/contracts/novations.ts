/** Changes of contracts as operations of the store: the contract with the version that was read, its levels entry by entry. */
import type { Operation } from '@polyedge/contracts/bus/graph';
import type { Filter } from '@polyedge/query/filter';
import type { JsonObject } from '@polyedge/query/json';
import { CONTRACT_TYPE, type Contract, contractAttributes } from '../../contracts/contract.ts';
import type { Novated } from '../../contracts/novation.ts';
import { levelAttributes, USAGE_TYPE } from '../../usage/levels.ts';
import { isType } from '../catalogue/service-parts.ts';

/** Maximum entries of one operation. */
const MAX_PUT = 1000;

/**
 * Consumption may be concurrent: unchanged levels are not written, so no consumption is lost and none makes this fail. A level that is
 * removed must have the value that was read, because its value may have moved to another name.
 */
export function novationOperations(contract: Contract, { terms, levels }: Novated, more: JsonObject = {}): Operation[] {
  const { usage } = contract;
  const [before, after] = [levelAttributes(usage), levelAttributes(levels)];
  const put: { path: string[]; value: JsonObject[string] }[] = [];
  const removed: { attribute: string; key: string }[] = [];
  for (const attribute of ['consumed', 'renewals']) {
    const [old, now] = [before[attribute] as JsonObject, after[attribute] as JsonObject];
    for (const [key, value] of Object.entries(now)) {
      if (!Object.hasOwn(old, key) || JSON.stringify(old[key]) !== JSON.stringify(value)) put.push({ path: [attribute, key], value });
    }
    for (const key of Object.keys(old)) if (!Object.hasOwn(now, key)) removed.push({ attribute, key });
  }
  const guards: Filter[] = [
    { test: 'equal', path: ['attributes', 'terms'], value: contract.terms },
    ...removed.flatMap(({ attribute, key }): Filter[] =>
      attribute === 'consumed' ? [{ test: 'equal', path: ['attributes', 'consumed', key], value: usage.consumed[key] ?? null }] : [],
    ),
  ];
  const target = { id: usage.id, where: isType(USAGE_TYPE) };
  const { groupId, ...attributes } = contractAttributes(terms);
  return [
    {
      op: 'update',
      target: { id: contract.id, where: isType(CONTRACT_TYPE) },
      version: contract.elementVersion,
      set: { ...attributes, ...(groupId === undefined ? {} : { groupId }), ...more },
      expect: 1,
    },
    {
      op: 'update',
      target,
      before: { all: guards },
      set: { terms: terms.terms, organizationId: terms.organizationId },
      put: put.slice(0, MAX_PUT),
      expect: 1,
    },
    ...chunks(put.slice(MAX_PUT), MAX_PUT).map((part): Operation => ({ op: 'update', target, put: part })),
    ...removed.map(({ attribute, key }): Operation => ({ op: 'apply', target, attribute, operator: 'unset', key })),
  ];
}

function chunks<T>(items: readonly T[], size: number): T[][] {
  const parts: T[][] = [];
  for (let from = 0; from < items.length; from += size) parts.push(items.slice(from, from + size));
  return parts;
}
