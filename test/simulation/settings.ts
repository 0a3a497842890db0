/** Constants of all simulated systems. */
import type { Account } from '@polyedge/contracts/bus/accounts';
import { done, type Outcome } from '@polyedge/contracts/errors';
import type { Principal } from '@polyedge/contracts/principal';

export const PARTITIONS = 4;
export const TENANT = 't';
/** In a system with two journals: the tenant that starts in the second one, and moves. */
export const FAR_TENANT = 'u';
export const FAR_JOURNAL = 'second';
export const SCOPE = 's';

/** The types that HIRO's clients write. */
export const TYPES = ['ogit/Trial', 'ogit/Other'];
/** The types that groups consume. */
export const GROUP_TYPES = [...TYPES, 'products'];

/** The account of all clients: an administrator. */
export const ACCOUNT: Account = {
  ...{ id: 'u1', tenant: TENANT, username: 'u1', roles: { saga: ['Admin'], gooduncle: ['customer'] }, defaultScope: SCOPE },
  ...{ scopes: [], disabled: false, attributes: {} },
};

const principalOf = (tenant: string): Principal => ({
  ...{ account: ACCOUNT.id, tenant, username: 'u1', app: 'a', roles: ACCOUNT.roles, defaultScope: SCOPE },
  ...{ scopes: [], session: 'l', issuedAt: 0, expiresAt: Number.MAX_SAFE_INTEGER },
});

/** Accepts every token, as that account. */
export const verify = (tenant = TENANT): Outcome<Principal> => done(principalOf(tenant));
