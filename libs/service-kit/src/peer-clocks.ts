/**
 * Estimates the transit time of requests. A sender states when it sent the request, on its own monotonic clock; only differences to the
 * local clock count, so the clocks of two hosts need not agree. The smallest recent difference is taken as no delay. Anything above it is
 * time spent in the server, in a socket, or before a suspended process.
 */

/** How long the smallest difference is kept, so that drift and stopped clocks are forgotten. */
const WINDOW_MS = 30_000;
const MAX_PEERS = 10_000;

interface Peer {
  smallest: number;
  /** From the previous window, so that a new window does not start empty. */
  before: number;
  since: number;
}

export class PeerClocks {
  readonly #peers = new Map<string, Peer>();

  /**
   * The minimum transit time of a message in milliseconds; undefined for the first one of a peer.
   * @param sentAt on the peer's monotonic clock
   * @param now on the local monotonic clock
   */
  delayOf(peer: string, sentAt: number, now: number): number | undefined {
    const difference = now - sentAt;
    const known = this.#peers.get(peer);
    if (known === undefined) {
      const [oldest] = this.#peers.keys();
      if (this.#peers.size >= MAX_PEERS && oldest !== undefined) this.#peers.delete(oldest);
      this.#peers.set(peer, { smallest: difference, before: difference, since: now });
      return undefined;
    }
    if (now - known.since > WINDOW_MS) {
      known.before = known.smallest;
      known.smallest = difference;
      known.since = now;
    } else known.smallest = Math.min(known.smallest, difference);
    return difference - Math.min(known.smallest, known.before);
  }
}
