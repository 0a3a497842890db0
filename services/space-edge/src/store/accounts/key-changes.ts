/** What ends sockets that were opened with an API key: they reconnect, and get what the key gives then. */

import { revokes } from '@polyedge/contracts/token-claims';
import type { Verifier } from '@polyedge/service-kit/tokens';
import { ORGANIZATION_TYPE, peopleOf, toOrganization } from '../../protocol/organization.ts';
import { ALL_ORGANIZATIONS } from '../../protocol/session.ts';
import type { Following } from '../following.ts';
import type { Concerns } from './identity.ts';

/**
 * Reports revocations of keys and accounts, and changes of organizations that make a difference to who hears their events.
 * @returns stops the reports of revocations; those of organizations end with `following`
 */
export function followKeys(
  { verifier, following }: { readonly verifier: Pick<Verifier, 'onRevoked'>; readonly following: Pick<Following, 'follow'> },
  changed: (concerns: Concerns) => void,
): { unsubscribe(): void } {
  following.follow([ORGANIZATION_TYPE], {
    change: ({ id, state }) => {
      const people = state.deleted ? undefined : new Set(peopleOf(toOrganization(state)));
      // An organization's own key hears it as long as it exists.
      const mayHear = (account: string): boolean => people !== undefined && (account === id || people.has(account));
      changed(({ account, scopes }) => !scopes.includes(ALL_ORGANIZATIONS) && scopes.includes(id) !== mayHear(account));
    },
    missed: () => changed(({ scopes }) => !scopes.includes(ALL_ORGANIZATIONS)),
  });
  return verifier.onRevoked((revocation) => changed((principal) => revokes(revocation, principal)));
}
