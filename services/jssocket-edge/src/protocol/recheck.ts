/** Asks a core again about a client that is logged in, at an interval: its token may have expired since, or its user may be gone. */
import { KEEP_BYTES } from './login.ts';
import type { Effects } from './translate.ts';

export class Recheck {
  /** 0: never, and nothing is kept. */
  readonly #intervalMs: number;
  /** What the client logged in with. */
  #login: string | undefined;
  #running = false;

  constructor(intervalMs: number) {
    this.#intervalMs = intervalMs;
  }

  /** The client has sent a login of its own. */
  remember(login: string): void {
    this.#login = this.#intervalMs > 0 && login.length <= KEEP_BYTES ? login : undefined;
    this.#running = false;
  }

  /** Whether the login that is pending is not the client's own. */
  get running(): boolean {
    return this.#running;
  }

  /** The login to send again; undefined if there is none. */
  begin(): string | undefined {
    this.#running = this.#login !== undefined;
    return this.#login;
  }

  /** A login was answered or given up: waits for the next time. */
  wait(): Effects {
    return this.#login === undefined ? [] : [{ do: 'set-timer', name: 'recheck', ms: this.#intervalMs }];
  }

  /** A login was answered. */
  answered(): Effects {
    this.#running = false;
    return this.wait();
  }
}
