/**
 * Internal failures that clients see only the names of, logged under these names. When the store fails, the requests of all clients fail,
 * so only the first twenty failures of each second are logged, with the number of those left out.
 */
import type { Log } from '@polyedge/service-kit/log';
import type { Clock } from '../wheel.ts';

const PER_SECOND = 20;

export class Incidents {
  readonly #log: Log;
  readonly #clock: Clock;
  #second = Number.NEGATIVE_INFINITY;
  #logged = 0;
  #left = 0;

  constructor(log: Log, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
  }

  /**
   * @param conn the connection's number
   * @param incident the name sent to the client
   * @param code of the failure; never user data
   */
  report(conn: number, incident: string, code: string): void {
    const second = Math.floor(this.#clock.now() / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#logged = 0;
    }
    if (this.#logged >= PER_SECOND) {
      this.#left += 1;
      return;
    }
    this.#logged += 1;
    this.#log.error('a request could not be carried out', { conn, id: incident, code, ...(this.#left > 0 ? { count: this.#left } : {}) });
    this.#left = 0;
  }
}
