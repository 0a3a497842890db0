/** Reading, deciding and writing under the version that was read: who lost a race does it again. */
import { type Result, refuse } from '../protocol/answer.ts';

/** What a round gave; `again`: somebody else wrote in between. */
export type Round<T> = Result<T> | 'again';

const MAX_ATTEMPTS = 50;

/** @param what cannot be changed for now, as the refusal names it */
export async function rounds<T>(what: string, round: () => Promise<Round<T>>): Promise<Result<T>> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
    const result = await round();
    if (result !== 'again') return result;
  }
  return refuse(409, `CONFLICT: too many others change this ${what} at the same time; try again`);
}

/** Failures of a write that say that something changed since it was read. */
export const RACES: ReadonlySet<string> = new Set(['conflict', 'not-allowed', 'not-found']);
