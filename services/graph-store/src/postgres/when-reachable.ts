/** PostgreSQL while a process begins: it may still be starting, as everything else is, or be on its way from one server to another. */
import { CannotStart } from '@polyedge/service-kit/lifecycle';
import { ConnectionLost, isPassing } from './link.ts';

const AGAIN_MS = 250;

export interface Patience {
  /** How long PostgreSQL may be away. */
  readonly waitMs: number;
  /** Told the reason when PostgreSQL is found away. */
  readonly onWait: (reason: string) => void;
}

/**
 * Does a step of the start, and does it again as long as what fails it is that PostgreSQL is away. The step must come to the same end however
 * often it is begun. Throws `CannotStart` with the last reason when PostgreSQL is away for longer than `waitMs`, and at once when its
 * certificate is wrong; any other failure as it is.
 */
export async function whenReachable<T>({ waitMs, onWait }: Patience, step: () => Promise<T>): Promise<T> {
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

/** A certificate that is not the one to expect does not become right by waiting. */
const isDistrust = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && /^(ERR_TLS_|CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_)/.test(String(error.code));
