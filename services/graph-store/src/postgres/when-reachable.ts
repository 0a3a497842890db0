/** Waits for PostgreSQL during the start of a process: it may still be starting, or failing over to another server. */
import { CannotStart } from '@polyedge/service-kit/lifecycle';
import { ConnectionLost, isPassing } from './link.ts';

const AGAIN_MS = 250;

export interface DatabaseWait {
  /** How long PostgreSQL may be unavailable. */
  readonly waitMs: number;
  /** Called with the reason when PostgreSQL is unavailable. */
  readonly onWait: (reason: string) => void;
}

/**
 * Runs a step of the start, and repeats it while it fails because PostgreSQL is unavailable. The step must be idempotent. Throws
 * `CannotStart` with the last reason if PostgreSQL is unavailable for longer than `waitMs`, and immediately if its certificate is wrong;
 * rethrows any other failure.
 */
export async function whenReachable<T>({ waitMs, onWait }: DatabaseWait, step: () => Promise<T>): Promise<T> {
  let deadline: number | undefined;
  for (;;) {
    try {
      return await step();
    } catch (error) {
      const cause = error instanceof ConnectionLost && error.cause !== undefined ? error.cause : error;
      const reason = cause instanceof Error ? cause.message : String(cause);
      if (isDistrust(cause)) throw new CannotStart(`PostgreSQL does not answer: ${reason}`);
      if (!isPassing(error)) throw error;
      if (deadline === undefined) {
        deadline = performance.now() + waitMs;
        if (waitMs > 0) onWait(reason);
      }
      if (performance.now() >= deadline) throw new CannotStart(`PostgreSQL does not answer within ${waitMs / 1000} s: ${reason}`);
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }
}

/** Waiting does not fix a wrong certificate. */
const isDistrust = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && /^(ERR_TLS_|CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_)/.test(String(error.code));
