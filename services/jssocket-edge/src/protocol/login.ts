/**
 * A client's `client_connect` on its way to an answer. The original asks one core once, and drops the event when there is none; here it waits
 * for a core, and is sent to another one when the asked one is slow or gone. Invisible to a core: it answers without memory.
 */
import type { Rotation } from './rotation.ts';

/** Unanswered for this long, another core is asked. */
export const ANSWER_MS = 3000;
/** After this long the client hears nothing, as it would from the original. */
export const GIVE_UP_MS = 30_000;
/** A longer event is forwarded once and not kept. */
export const KEEP_BYTES = 64 * 1024;

/** What to do next for a login. */
export type Step =
  /** Ask this core, and look again after `lookMs`. */
  | { readonly kind: 'ask'; readonly core: string; readonly data: string; readonly lookMs: number }
  | { readonly kind: 'wait'; readonly lookMs: number }
  | { readonly kind: 'give-up' };

interface Pending {
  /** Undefined once an event that is too long to keep has been forwarded. */
  data: string | undefined;
  readonly since: number;
  asked: string | undefined;
}

export class Login {
  readonly #rotation: Rotation;
  #pending: Pending | undefined;
  /** Answers that may still come although one has come already. */
  #outstanding = 0;
  #outstandingUntil = 0;

  constructor(rotation: Rotation) {
    this.#rotation = rotation;
  }

  get pending(): boolean {
    return this.#pending !== undefined;
  }

  /** The core that is being waited for. */
  get asked(): string | undefined {
    return this.#pending?.asked;
  }

  /** A `client_connect`: the newest one replaces one that still waits. */
  begin(data: string, at: number): Step {
    const pending: Pending = { data, since: at, asked: undefined };
    this.#pending = pending;
    const step = this.#next(at);
    if (data.length <= KEEP_BYTES) return step;
    pending.data = undefined;
    return step;
  }

  /** The time to look has come. */
  look(at: number): Step {
    const { asked } = this.#pending ?? {};
    if (asked !== undefined) this.#rotation.missed(asked);
    return this.#next(at);
  }

  /** The asked core is gone, or a core has come. */
  retry(at: number): Step {
    if (this.#pending !== undefined) this.#pending.asked = undefined;
    return this.#next(at);
  }

  /** Whether an answer is to be passed on; one that came late from a second core and changes nothing is not. */
  answered(changes: boolean, at: number): boolean {
    const outstanding = at <= this.#outstandingUntil ? this.#outstanding : 0;
    this.#outstanding = Math.max(0, outstanding - 1);
    if (this.#pending === undefined && outstanding > 0 && !changes) return false;
    this.#pending = undefined;
    return true;
  }

  #next(at: number): Step {
    const pending = this.#pending;
    if (pending === undefined) return { kind: 'give-up' };
    const left = pending.since + GIVE_UP_MS - at;
    if (left <= 0) {
      this.#pending = undefined;
      return { kind: 'give-up' };
    }
    const lookMs = Math.min(ANSWER_MS, left);
    const { data, asked } = pending;
    const core = data === undefined ? undefined : this.#rotation.next(at, asked);
    if (data === undefined || core === undefined) return { kind: 'wait', lookMs };
    pending.asked = core;
    this.#outstanding += 1;
    this.#outstandingUntil = at + GIVE_UP_MS;
    return { kind: 'ask', core, data, lookMs };
  }
}
