/** Optimistic concurrency: read, decide, and write with the version that was read; repeated after a lost race. */
import { type Result, refuse } from '../protocol/answer.ts';

/** The result of a round; `again`: the data was changed in between. */
export type Round<T> = Result<T> | 'again';

const MAX_ATTEMPTS = 50;

/** @param what the object that cannot be changed for now, for the error text */
export async function rounds<T>(what: string, round: () => Promise<Round<T>>): Promise<Result<T>> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
    const result = await round();
    if (result !== 'again') return result;
  }
  return refuse(409, `CONFLICT: too many others change this ${what} at the same time; try again`);
}

/** Failures of a write that mean that something has changed since it was read. */
export const RACES: ReadonlySet<string> = new Set(['conflict', 'not-allowed', 'not-found']);
