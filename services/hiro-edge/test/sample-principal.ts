import type { Principal } from '@polyedge/contracts/principal';

/** The time at which the sample token was issued. */
export const NOW = 1_700_000_000_000;

/** Somebody with a token of ten minutes for one scope, with parts of it replaced. */
export const samplePrincipal = (parts: Partial<Principal> = {}): Principal => ({
  account: 'acc1',
  tenant: 'acme',
  username: 'ann',
  app: 'app1',
  roles: {},
  defaultScope: 'scope1',
  scopes: [],
  session: 's1',
  issuedAt: NOW,
  expiresAt: NOW + 600_000,
  ...parts,
});
