/**
 * Sends the login of a connected client to a core again, at an interval: its token may have expired since, or its user may have been
 * deleted.
 */
import { KEEP_BYTES } from './login.ts';
import type { Effects } from './translate.ts';

export class Recheck {
  /** 0: never, and nothing is stored. */
  readonly #intervalMs: number;
  /** The client's login. */
  #login: string | undefined;
  #running = false;

  constructor(intervalMs: number) {
    this.#intervalMs = intervalMs;
  }

  /** The client has sent its own login. */
  remember(login: string): void {
    this.#login = this.#intervalMs > 0 && login.length <= KEEP_BYTES ? login : undefined;
    this.#running = false;
  }

  /** Whether the pending login is a repetition. */
  get running(): boolean {
    return this.#running;
  }

  /** The login to send again; undefined if there is none. */
  begin(): string | undefined {
    this.#running = this.#login !== undefined;
    return this.#login;
  }

  /** A login was answered or abandoned: waits for the next interval. */
  wait(): Effects {
    return this.#login === undefined ? [] : [{ do: 'set-timer', name: 'recheck', ms: this.#intervalMs }];
  }

  /** A login was answered. */
  answered(): Effects {
    this.#running = false;
    return this.wait();
  }
}
