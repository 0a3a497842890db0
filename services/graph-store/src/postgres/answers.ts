/** The first connection to PostgreSQL: it may still be starting, as everything else is, or failing over. */
import { CannotStart } from '@polyedge/service-kit/lifecycle';
import type { Sql } from './connect.ts';

const AGAIN_MS = 500;

/**
 * Resolves when the server answers. Throws `CannotStart` with the last reason when the time is over, and at once when its certificate is wrong.
 * @param onWait called once, when the first attempt failed
 */
export async function untilAnswers(sql: Sql, waitMs: number, onWait: (reason: string) => void): Promise<void> {
  const deadline = performance.now() + waitMs;
  for (let attempt = 0; ; attempt += 1) {
    try {
      await sql`select 1`;
      return;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      if (distrusted(error)) throw new CannotStart(`PostgreSQL does not answer: ${reason}`);
      if (performance.now() >= deadline) throw new CannotStart(`PostgreSQL does not answer within ${waitMs / 1000} s: ${reason}`);
      if (attempt === 0) onWait(reason);
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }
}

/** A certificate that is not the one to expect does not become right by waiting. */
const distrusted = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && /^(ERR_TLS_|CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_)/.test(String(error.code));
