/** The last administrator of a protocol stays one, in each organization: nobody else could make another. */
import { LAST_ADMINISTRATOR } from '@polyedge/contracts/account-change';
import { administeredBy } from '@polyedge/contracts/administrators';
import type { Account } from '@polyedge/contracts/bus/accounts';
import type { Operation } from '@polyedge/contracts/bus/graph';
import { done, failed, type Outcome } from '@polyedge/contracts/errors';

/**
 * What a change of an account needs: for each protocol that the account administers no more after it, another administrator who is as he was
 * read. Two who take each other's role at the same moment each need the other one unchanged, so only one of them can succeed.
 * @param after what the account is after the change; undefined if it is deleted
 * @param page the accounts of the organization after an id, by id; empty at the end
 * @returns operations that require those administrators, to be written with the change; `not-allowed` if there are none
 */
export async function otherAdministrators(
  before: Account,
  after: Account | undefined,
  page: (after: string) => Promise<readonly Account[]>,
): Promise<Outcome<readonly Operation[]>> {
  const kept = after === undefined ? [] : administeredBy(after);
  const missing = new Set(administeredBy(before).filter((protocol) => !kept.includes(protocol)));
  const required: Operation[] = [];
  for (let last: string | undefined = ''; missing.size > 0 && last !== undefined; ) {
    const accounts: readonly Account[] = await page(last);
    for (const account of accounts) {
      const { id, version } = account;
      const found = id === before.id ? [] : administeredBy(account).filter((protocol) => missing.has(protocol));
      if (found.length === 0 || version === undefined) continue;
      for (const protocol of found) missing.delete(protocol);
      required.push({ op: 'update', target: { id }, version });
    }
    last = accounts.at(-1)?.id;
  }
  return missing.size === 0 ? done(required) : failed('not-allowed', LAST_ADMINISTRATOR);
}
