/** Restarts a move whenever a database connection fails; the move resumes from its recorded progress. */
import { isPassing } from '../postgres/link.ts';
import { RestartMove } from './parties.ts';

/** Maximum time without progress. */
const PATIENCE_MS = 120_000;
const AGAIN_MS = 500;

/**
 * @param log called with the reason of each restart
 * @param step calls its argument whenever it makes progress
 */
export async function withRetries<T>(log: (sentence: string) => void, step: (progressed: () => void) => Promise<T>): Promise<T> {
  let at = performance.now();
  for (;;) {
    try {
      return await step(() => {
        at = performance.now();
      });
    } catch (error) {
      if (!(error instanceof RestartMove || isPassing(error)) || performance.now() - at > PATIENCE_MS) throw error;
      log(`resumes after a failure: ${error instanceof Error ? error.message : String(error)}`);
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }
}
