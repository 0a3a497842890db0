/**
 * Reconnects from a NATS server that is silent, sooner than the library's pings do: one that is suspended or unreachable. Everything that
 * arrives counts as a sign of life, so a process with a backlog to read, at the end of which the pong waits, stays connected.
 */
import type { NatsConnection } from '@nats-io/transport-node';

const TICK_MS = 500;
/**
 * Timer ticks without a sign of life. Counted rather than timed, because the process reads what has arrived between two of them, however
 * long it was suspended itself.
 */
const SILENT_TICKS = 2;

/**
 * Checks until the returned function is called.
 * @param connection queried for its counters, pinged, and told to reconnect
 * @param connected whether there is a connection now
 * @param onSilent called before reconnecting
 */
export function leaveSilentServers(
  connection: Pick<NatsConnection, 'stats' | 'flush' | 'reconnect'>,
  connected: () => boolean,
  onSilent: () => void,
): () => void {
  let silent = 0;
  let received = 0;
  let isPinging = false;
  const ping = async (): Promise<void> => {
    isPinging = true;
    try {
      await connection.flush();
      silent = 0;
    } catch {
      // The connection is closed, which is handled elsewhere.
    } finally {
      isPinging = false;
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
    } else if (!isPinging) void ping();
  }, TICK_MS);
  timer.unref();
  return () => clearInterval(timer);
}
