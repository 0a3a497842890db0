/** Restarts a move whenever a database connection fails; the move resumes from its recorded progress. */
import { isPassing } from '../postgres/link.ts';
import { BeginAgain } from './parties.ts';

/** Maximum time without progress. */
const PATIENCE_MS = 120_000;
const AGAIN_MS = 500;

/**
 * @param say called with the reason of each restart
 * @param step calls its argument whenever it makes progress
 */
export async function goingOn<T>(say: (sentence: string) => void, step: (wentOn: () => void) => Promise<T>): Promise<T> {
  let at = performance.now();
  for (;;) {
    try {
      return await step(() => {
        at = performance.now();
      });
    } catch (error) {
      if (!(error instanceof BeginAgain || isPassing(error)) || performance.now() - at > PATIENCE_MS) throw error;
      say(`resumes after a failure: ${error instanceof Error ? error.message : String(error)}`);
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }
}
