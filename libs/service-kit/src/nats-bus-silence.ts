/**
 * Reconnects from a NATS server that is silent, sooner than the library's pings do: one that is suspended or unreachable. Everything that
 * arrives counts as a sign of life, and so does a server that reads: the pong may wait behind much that is to be read, here or there.
 */
import type { OutgoingBytes } from './nats-bus-socket.ts';

const TICK_MS = 500;
/**
 * Timer ticks without a sign of life. Counted rather than timed, because the process reads what has arrived between two of them, however
 * long it was suspended itself.
 */
const SILENT_TICKS = 2;

/** A server, as seen from the connection to it. */
export interface WatchedServer {
  /** Messages received so far. */
  received(): number;
  /** See `nats-bus-socket.ts`. */
  outgoing(): OutgoingBytes;
  /** Resolves when the server answers; rejects if the connection ends before. */
  ping(): Promise<void>;
  /** Connects again, to this server or another one. */
  leave(): Promise<void>;
}

/**
 * Checks until the returned function is called.
 * @param connected whether there is a connection now
 * @param onSilent called before the server is left
 */
export function leaveSilentServers(server: WatchedServer, connected: () => boolean, onSilent: () => void): () => void {
  let silent = 0;
  let received = 0;
  let outgoing: OutgoingBytes = { waiting: 0, taken: 0 };
  let isPinging = false;
  const ping = async (): Promise<void> => {
    isPinging = true;
    try {
      await server.ping();
      silent = 0;
    } catch {
      // The connection is closed, which is handled elsewhere.
    } finally {
      isPinging = false;
    }
  };
  /** Whether the server has sent something, or has read: while data waits, the operating system takes more of it only then. */
  const gaveSign = (): boolean => {
    const before = { received, outgoing };
    received = server.received();
    outgoing = server.outgoing();
    return received !== before.received || (before.outgoing.waiting > 0 && outgoing.taken !== before.outgoing.taken);
  };
  const timer = setInterval(() => {
    if (gaveSign() || !connected()) {
      silent = 0;
      return;
    }
    silent += 1;
    if (silent > SILENT_TICKS) {
      silent = 0;
      onSilent();
      server.leave().catch(() => {});
    } else if (!isPinging) void ping();
  }, TICK_MS);
  timer.unref();
  return () => clearInterval(timer);
}
