/** Changes of an account that depend on what it is: read, decided, and written unless somebody else changed it meanwhile. */
import type { Account } from './bus/accounts.ts';
import type { Outcome } from './errors.ts';

/** The detail of a `conflict` when the account has another version than the one that the change was made from. */
export const CHANGED_MEANWHILE = 'version';

/** The detail of a `not-allowed` when the change would leave a protocol without an administrator. */
export const LAST_ADMINISTRATOR = 'the last administrator of a protocol stays';

const ATTEMPTS = 10;

/** The version of an account that was read, as `accountsUpdate` and `accountsDelete` take it. */
export const versionOf = ({ version }: Account): { readonly version?: number } => (version === undefined ? {} : { version });

/**
 * @param attempt reads the account, decides, and writes with `versionOf` what it has read
 * @returns what the last attempt returned: `conflict` when the account was changed during each of them
 */
export async function untilUnchanged<T>(attempt: () => Promise<Outcome<T>>): Promise<Outcome<T>> {
  for (let left = ATTEMPTS; ; left -= 1) {
    const outcome = await attempt();
    if (outcome.ok || left <= 1) return outcome;
    const { code, detail } = outcome.failure;
    if (code !== 'conflict' || detail !== CHANGED_MEANWHILE) return outcome;
  }
}
