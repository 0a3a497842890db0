/** Reads over the bus that outlive a restart of graph-store: asked again while nobody answers, within the time a read may take. */
import type { RequestChannel } from '@polyedge/contracts/channel';
import type { Outcome } from '@polyedge/contracts/errors';
import type { Bus } from '@polyedge/service-kit/bus';

/** A replica that died with the question does not answer any more: another one is asked after this. */
const ATTEMPT_MS = 2500;
const WAIT_MS = 100;

/** Only for questions that change nothing. The outcome is the last attempt's. */
export async function askUntilAnswered<Reply>(
  bus: Bus,
  channel: RequestChannel<string, unknown, Reply>,
  subject: string,
  body: unknown,
  totalMs: number,
): Promise<Outcome<Reply>> {
  const deadline = performance.now() + totalMs;
  for (;;) {
    const timeoutMs = Math.max(1, Math.min(ATTEMPT_MS, deadline - performance.now()));
    const outcome = await bus.request(channel, subject, body, { timeoutMs });
    const again = !outcome.ok && (outcome.failure.code === 'unavailable' || outcome.failure.code === 'busy');
    if (!again || performance.now() + 2 * WAIT_MS >= deadline) return outcome;
    // Not all at the same moment, when many wait.
    const waitMs = WAIT_MS + Math.random() * WAIT_MS;
    await new Promise((resolve) => setTimeout(resolve, waitMs));
  }
}
