/**
 * Failures that clients are only told the names of, written to the log under these names. When the store fails, so do the requests of all
 * clients: the log gets the first of each second, and how many were left out before.
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

  /** @param conn the connection's number; @param incident the name that its client has; @param code of the failure, never what anybody wrote */
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
