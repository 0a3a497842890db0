/** The elements that a principal may read, write and receive events of: those of its data scopes, and those it owns. */
import { SYSTEM_SCOPE } from '@polyedge/contracts/element';
import type { Principal } from '@polyedge/contracts/principal';
import type { Filter } from '@polyedge/query/filter';
import { compareAttribute } from './comparison.ts';

const NOT_SYSTEM: Filter = { not: { test: 'equal', path: ['scope'], value: SYSTEM_SCOPE } };

/**
 * Elements that this principal may read and write: the `visible` of reads, `before` and `after` of writes, `ends` of connects. Accounts and
 * keys are in the system scope and never included.
 */
export function visibleTo(principal: Principal): Filter {
  if (principal.scopes.includes('*')) return NOT_SYSTEM;
  const owned = compareAttribute('ogit/_owner', { is: 'exact', value: principal.account }, principal.tenant);
  return { all: [NOT_SYSTEM, { any: [inScopes(readable(principal)), owned] }] };
}

/** Whether the principal may use this data scope: create in it, or subscribe to it. */
export function mayUseScope(principal: Principal, scope: string): boolean {
  if (scope === SYSTEM_SCOPE) return false;
  return scope === principal.defaultScope || principal.scopes.includes('*') || principal.scopes.includes(scope);
}

/**
 * Elements whose events a socket receives, before its own filters. With `all` (the default of `allscopes`) everything that the principal
 * may read; else its default scope and the permitted scopes that it has subscribed to (Python client: `subscribe` is only for further
 * scopes).
 */
export function visibleEventsFor(principal: Principal, scopes: { readonly all: boolean; readonly subscribed: Iterable<string> }): Filter {
  if (scopes.all) return visibleTo(principal);
  const wanted = [principal.defaultScope, ...scopes.subscribed].filter((scope) => mayUseScope(principal, scope));
  return inScopes(wanted);
}

function readable({ defaultScope, scopes }: Principal): readonly string[] {
  return [defaultScope, ...scopes];
}

/** Sorted and without duplicates, so that equal rights give equal filters and share frames. */
function inScopes(scopes: readonly string[]): Filter {
  return { test: 'in', path: ['scope'], values: [...new Set(scopes)].sort() };
}
