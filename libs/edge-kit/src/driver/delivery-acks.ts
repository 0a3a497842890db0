/**
 * Confirmed delivery without a message of the protocol's own: a ping with a counter follows the frames, and its pong proves that they
 * reached the client's WebSocket stack (delivery.md 7.6).
 */
const MAX_OUTSTANDING = 4096;

export class DeliveryAcks {
  #outstanding: { readonly payload: string; readonly then: () => void }[] = [];
  #counter = 0;

  /** The payload of the next ping. Throws when more is asked for than could ever be of use: a mistake of ours. */
  begin(then: () => void): string {
    if (this.#outstanding.length >= MAX_OUTSTANDING) throw new Error('too many confirmations were asked for at once');
    this.#counter += 1;
    const payload = `c${this.#counter.toString(36)}`;
    this.#outstanding.push({ payload, then });
    return payload;
  }

  /** What follows from a pong: it confirms its own ping and all earlier ones, since an endpoint may answer only the newest. Nothing for a foreign pong. */
  confirmedBy(payload: string): (() => void)[] {
    const last = this.#outstanding.findIndex((ping) => ping.payload === payload);
    return last === -1 ? [] : this.#outstanding.splice(0, last + 1).map(({ then }) => then);
  }
}
