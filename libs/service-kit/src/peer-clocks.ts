/**
 * How long a request was on its way. Its sender says when it was sent, on a monotonic clock of its own; only differences to the clock here
 * count, so that the clocks of two hosts need not agree. The smallest difference of late stands for no delay at all. What is above it, the
 * request lay somewhere: in the server, in a socket, or before a process that stood still.
 */

/** How long the smallest difference is remembered: drift and a clock that was stopped are forgotten after it. */
const WINDOW_MS = 30_000;
const MAX_PEERS = 10_000;

interface Peer {
  smallest: number;
  /** Of the window before, so that a new window does not begin without knowledge. */
  before: number;
  since: number;
}

export class PeerClocks {
  readonly #peers = new Map<string, Peer>();

  /**
   * Milliseconds that a message was on its way, at least; undefined for the first one of a peer, which nothing can be compared with.
   * @param sentAt on the peer's monotonic clock
   * @param now on the monotonic clock here
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
