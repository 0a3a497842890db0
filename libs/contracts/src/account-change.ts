/** Updates of an account that depend on its current state: read, decide, and write unless it has changed since. */
import type { Account } from './bus/accounts.ts';
import type { Outcome } from './errors.ts';

/** The detail of a `conflict` when the account's version is not the one that the update was based on. */
export const CHANGED_MEANWHILE = 'version';

/** The detail of a `not-allowed` when the change would leave a protocol without an administrator. */
export const LAST_ADMINISTRATOR = 'the last administrator of a protocol stays';

const ATTEMPTS = 10;

/** The version of an account, as `accountsUpdate` and `accountsDelete` expect it. */
export const versionOf = ({ version }: Account): { readonly version?: number } => (version === undefined ? {} : { version });

/**
 * @param attempt reads the account, decides, and writes with its `versionOf`
 * @returns the result of the last attempt: `conflict` if the account changed during each of them
 */
export async function untilUnchanged<T>(attempt: () => Promise<Outcome<T>>): Promise<Outcome<T>> {
  for (let left = ATTEMPTS; ; left -= 1) {
    const outcome = await attempt();
    if (outcome.ok || left <= 1) return outcome;
    const { code, detail } = outcome.failure;
    if (code !== 'conflict' || detail !== CHANGED_MEANWHILE) return outcome;
  }
}
