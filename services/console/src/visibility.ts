/** The elements that an administrator may read and write: those of the account's data scopes. */
import { SYSTEM_SCOPE } from '@polyedge/contracts/element';
import type { Principal } from '@polyedge/contracts/principal';
import type { Filter } from '@polyedge/query/filter';

type Scopes = Pick<Principal, 'defaultScope' | 'scopes'>;

export function visibleTo({ defaultScope, scopes }: Scopes): Filter {
  const notSystem: Filter = { not: { test: 'equal', path: ['scope'], value: SYSTEM_SCOPE } };
  if (scopes.includes('*')) return notSystem;
  return { all: [notSystem, { test: 'in', path: ['scope'], values: [...new Set([defaultScope, ...scopes])].sort() }] };
}

export const maySee = ({ defaultScope, scopes }: Scopes, scope: string): boolean =>
  scope !== SYSTEM_SCOPE && (scopes.includes('*') || scope === defaultScope || scopes.includes(scope));
