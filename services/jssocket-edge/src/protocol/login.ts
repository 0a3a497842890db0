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

/**
 * What to do with an answer: `final` ends the pending login. `earlier` is passed on, but the login stays pending: the core answers in order, and
 * was asked for an earlier login of this client as well. `drop` is a late answer that changes nothing, or belongs to an earlier login.
 */
export type LoginAnswer = 'final' | 'earlier' | 'drop';

/** The answers of one core that may still arrive. */
interface Outstanding {
  /** The newest login that was sent to it. */
  readonly login: number;
  /** Its answers to that login, and to those before. */
  ofLogin: number;
  ofEarlier: number;
  readonly until: number;
}

export class Login {
  readonly #rotation: Rotation;
  #pending: PendingLogin | undefined;
  /** The number of the newest login. */
  #number = 0;
  /** By core. */
  readonly #outstanding = new Map<string, Outstanding>();

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
    this.#number += 1;
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

  /** @param changes whether the answer changes something for the client */
  answered(core: string, changes: boolean, at: number): LoginAnswer {
    const outstanding = this.#outstanding.get(core);
    if (outstanding !== undefined && at <= outstanding.until) {
      if (outstanding.ofEarlier > 0) {
        outstanding.ofEarlier -= 1;
        return this.#pending === undefined ? 'drop' : 'earlier';
      }
      if (outstanding.ofLogin > 0) {
        outstanding.ofLogin -= 1;
        const isLate = this.#pending === undefined && !changes;
        if (isLate || outstanding.login !== this.#number) return 'drop';
      }
    }
    this.#pending = undefined;
    return 'final';
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
    this.#asks(core, at);
    return { kind: 'request', core, data, lookMs };
  }

  #asks(core: string, at: number): void {
    for (const [other, { until }] of this.#outstanding) if (until < at) this.#outstanding.delete(other);
    const { login, ofLogin, ofEarlier } = this.#outstanding.get(core) ?? { login: this.#number, ofLogin: 0, ofEarlier: 0 };
    const isSame = login === this.#number;
    this.#outstanding.set(core, {
      login: this.#number,
      ofLogin: isSame ? ofLogin + 1 : 1,
      ofEarlier: isSame ? ofEarlier : ofEarlier + ofLogin,
      until: at + GIVE_UP_MS,
    });
  }
}
