/** A move is begun again whenever a database, or the way to it, has interrupted it: it goes on where it came to. */
import { isPassing } from '../postgres/link.ts';
import { BeginAgain } from './parties.ts';

/** How long nothing may go on. */
const PATIENCE_MS = 120_000;
const AGAIN_MS = 500;

/**
 * @param say told why it is begun again
 * @param step calls what it is given whenever something has gone on
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
      say(`begins again where it came to: ${error instanceof Error ? error.message : String(error)}`);
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }
}
