/**
 * Leaves a NATS server that has gone silent, sooner than the library's pings do: one that stands still, or to which the way is cut. Whatever
 * arrives counts as a sign of life, so that a process with a backlog to read, in which the answer to a ping waits at the end, stays connected.
 */
import type { NatsConnection } from '@nats-io/transport-node';

const TICK_MS = 500;
/**
 * So many turns of the timer without a sign. They are counted rather than timed, since the process reads what has arrived between two of them,
 * however long it stood still itself.
 */
const SILENT_TICKS = 2;

/**
 * Watches until the returned function is called.
 * @param connection asked for its counts, pinged and told to reconnect
 * @param connected whether it has a server now
 * @param onSilent told before the server is left
 */
export function leaveSilentServers(
  connection: Pick<NatsConnection, 'stats' | 'flush' | 'reconnect'>,
  connected: () => boolean,
  onSilent: () => void,
): () => void {
  let silent = 0;
  let received = 0;
  let asking = false;
  const ask = async (): Promise<void> => {
    asking = true;
    try {
      await connection.flush();
      silent = 0;
    } catch {
      // It has ended, which others notice.
    } finally {
      asking = false;
    }
  };
  const timer = setInterval(() => {
    const { inMsgs } = connection.stats();
    if (!connected() || inMsgs !== received) {
      received = inMsgs;
      silent = 0;
      return;
    }
    silent += 1;
    if (silent > SILENT_TICKS) {
      silent = 0;
      onSilent();
      connection.reconnect().catch(() => {});
    } else if (!asking) void ask();
  }, TICK_MS);
  timer.unref();
  return () => clearInterval(timer);
}
