/** What is fixed in every simulated system. */
import type { Account } from '@polyedge/contracts/bus/accounts';
import { done, type Outcome } from '@polyedge/contracts/errors';
import type { Principal } from '@polyedge/contracts/principal';

export const PARTITIONS = 4;
export const TENANT = 't';
/** In a system with two journals: a tenant that is in the other one at first, and moves. */
export const FAR_TENANT = 'u';
export const FAR_JOURNAL = 'second';
export const SCOPE = 's';

/** What HIRO's clients write. */
export const TYPES = ['ogit/Trial', 'ogit/Other'];
/** What members of groups are shown. */
export const GROUP_TYPES = [...TYPES, 'products'];

/** Who all clients are: an administrator. */
export const ACCOUNT: Account = {
  ...{ id: 'u1', tenant: TENANT, username: 'u1', roles: { saga: ['Admin'], gooduncle: ['customer'] }, defaultScope: SCOPE },
  ...{ scopes: [], disabled: false, attributes: {} },
};

const principalOf = (tenant: string): Principal => ({
  ...{ account: ACCOUNT.id, tenant, username: 'u1', app: 'a', roles: ACCOUNT.roles, defaultScope: SCOPE },
  ...{ scopes: [], session: 'l', issuedAt: 0, expiresAt: Number.MAX_SAFE_INTEGER },
});

/** Whatever token a client shows, it is that one. */
export const verify = (tenant = TENANT): Outcome<Principal> => done(principalOf(tenant));
