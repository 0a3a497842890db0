/**
 * A client's `client_connect` until it is answered. The original sends it to one core, once, and drops the event if there is none; here it
 * waits for a core, and is sent to another one if the first is slow or gone. Cores do not notice: they answer without keeping state.
 */
import type { Rotation } from './rotation.ts';

/** Time without an answer after which another core is tried. */
export const ANSWER_MS = 3000;
/** After this long the client gets no answer, as in the original. */
export const GIVE_UP_MS = 30_000;
/** A longer event is forwarded once and not kept. */
export const KEEP_BYTES = 64 * 1024;

/** The next step of a login. */
export type LoginStep =
  /** Send the login to this core, and check again after `lookMs`. */
  | { readonly kind: 'request'; readonly core: string; readonly data: string; readonly lookMs: number }
  | { readonly kind: 'wait'; readonly lookMs: number }
  | { readonly kind: 'give-up' };

interface PendingLogin {
  /** Undefined once an event that is too long to keep has been forwarded. */
  data: string | undefined;
  readonly since: number;
  requestedCore: string | undefined;
}

export class Login {
  readonly #rotation: Rotation;
  #pending: PendingLogin | undefined;
  /** Answers that may still arrive after the first one. */
  #outstanding = 0;
  #outstandingUntil = 0;

  constructor(rotation: Rotation) {
    this.#rotation = rotation;
  }

  get pending(): boolean {
    return this.#pending !== undefined;
  }

  /** The core whose answer is pending. */
  get requestedCore(): string | undefined {
    return this.#pending?.requestedCore;
  }

  /** Starts a login; a new `client_connect` replaces one that still waits. */
  begin(data: string, at: number): LoginStep {
    const pending: PendingLogin = { data, since: at, requestedCore: undefined };
    this.#pending = pending;
    const step = this.#next(at);
    if (data.length <= KEEP_BYTES) return step;
    pending.data = undefined;
    return step;
  }

  /** Checks the login after `lookMs`. */
  look(at: number): LoginStep {
    const { requestedCore } = this.#pending ?? {};
    if (requestedCore !== undefined) this.#rotation.missed(requestedCore);
    return this.#next(at);
  }

  /** The core has disconnected, or a new core is available. */
  retry(at: number): LoginStep {
    if (this.#pending !== undefined) this.#pending.requestedCore = undefined;
    return this.#next(at);
  }

  /** Whether to pass on an answer: a late one of a second core that changes nothing is dropped. */
  answered(changes: boolean, at: number): boolean {
    const outstanding = at <= this.#outstandingUntil ? this.#outstanding : 0;
    this.#outstanding = Math.max(0, outstanding - 1);
    if (this.#pending === undefined && outstanding > 0 && !changes) return false;
    this.#pending = undefined;
    return true;
  }

  #next(at: number): LoginStep {
    const pending = this.#pending;
    if (pending === undefined) return { kind: 'give-up' };
    const left = pending.since + GIVE_UP_MS - at;
    if (left <= 0) {
      this.#pending = undefined;
      return { kind: 'give-up' };
    }
    const lookMs = Math.min(ANSWER_MS, left);
    const { data, requestedCore } = pending;
    const core = data === undefined ? undefined : this.#rotation.next(at, requestedCore);
    if (data === undefined || core === undefined) return { kind: 'wait', lookMs };
    pending.requestedCore = core;
    this.#outstanding += 1;
    this.#outstandingUntil = at + GIVE_UP_MS;
    return { kind: 'request', core, data, lookMs };
  }
}
