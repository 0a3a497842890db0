/**
 * Confirmed delivery without a message of the protocol's own: a ping with a counter follows the frames, and its pong proves that they
 * reached the client's WebSocket stack (design 6).
 */
const MAX_OUTSTANDING = 4096;

export class Confirmations {
  #outstanding: { readonly payload: string; readonly id: string }[] = [];
  #counter = 0;

  /** The payload of the next ping. Throws when a session asks for more than it could ever use: a mistake of ours. */
  begin(id: string): string {
    if (this.#outstanding.length >= MAX_OUTSTANDING) throw new Error('a session asked for too many confirmations at once');
    this.#counter += 1;
    const payload = `c${this.#counter.toString(36)}`;
    this.#outstanding.push({ payload, id });
    return payload;
  }

  /** The ids that a pong confirms: its own and all earlier ones, since an endpoint may answer only the newest ping. Empty for a foreign pong. */
  confirmedBy(payload: string): string[] {
    const last = this.#outstanding.findIndex((ping) => ping.payload === payload);
    return last === -1 ? [] : this.#outstanding.splice(0, last + 1).map(({ id }) => id);
  }
}
