/**
 * Delivery acknowledgements without a message of the protocol: a ping with a counter follows the frames, and its pong proves that they
 * reached the client's WebSocket stack (delivery.md 7.6).
 */
const MAX_OUTSTANDING = 4096;

export class DeliveryAcks {
  #outstanding: { readonly payload: string; readonly then: () => void }[] = [];
  #counter = 0;

  /** Returns the payload of the next ping. Throws if more pings are outstanding than could ever be of use, which is a bug. */
  begin(then: () => void): string {
    if (this.#outstanding.length >= MAX_OUTSTANDING) throw new Error('too many confirmations are pending');
    this.#counter += 1;
    const payload = `c${this.#counter.toString(36)}`;
    this.#outstanding.push({ payload, then });
    return payload;
  }

  /**
   * Returns the callbacks that a pong confirms: that of its own ping and of all earlier ones, since an endpoint may answer only the newest.
   * Empty for an unknown pong.
   */
  confirmedBy(payload: string): (() => void)[] {
    const last = this.#outstanding.findIndex((ping) => ping.payload === payload);
    return last === -1 ? [] : this.#outstanding.splice(0, last + 1).map(({ then }) => then);
  }
}
