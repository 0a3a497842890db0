/** Counts a listener's open connections, in total and by network, because an IPv6 client has a whole /64 of addresses. */
import { networkOf } from '@polyedge/service-kit/network';

export class ConnectionCounts {
  readonly #byNetwork = new Map<string, number>();
  #total = 0;

  get total(): number {
    return this.#total;
  }

  /** Number of open connections from the network of an address. */
  from(address: string): number {
    return this.#byNetwork.get(networkOf(address)) ?? 0;
  }

  /** Counts a connection until it closes. */
  add(address: string, connection: { once(event: 'close', listener: () => void): unknown }): void {
    const network = networkOf(address);
    this.#total += 1;
    this.#byNetwork.set(network, (this.#byNetwork.get(network) ?? 0) + 1);
    connection.once('close', () => this.#remove(network));
  }

  #remove(network: string): void {
    this.#total -= 1;
    const left = (this.#byNetwork.get(network) ?? 1) - 1;
    if (left === 0) this.#byNetwork.delete(network);
    else this.#byNetwork.set(network, left);
  }
}
