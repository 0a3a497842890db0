/** Which elements a principal may read, write and hear of. */
import type { Principal } from '@polyedge/contracts/principal';
import { EVERYTHING, type Filter } from '@polyedge/query/filter';

/** Elements this principal may read and write: `visible` of reads, `before` and `after` of writes, `ends` of connects. */
export function visibleTo(_principal: Principal): Filter {
  return EVERYTHING;
}

/** Whether the principal may use this data scope. */
export function mayUseScope(_principal: Principal, _scope: string): boolean {
  return true;
}

/** Elements whose events reach a socket, before its own filters: `allscopes`, else the default scope and those subscribed to. */
export function heardBy(_principal: Principal, _scopes: { readonly all: boolean; readonly subscribed: Iterable<string> }): Filter {
  return EVERYTHING;
}
