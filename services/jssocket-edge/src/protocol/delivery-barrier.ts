/**
 * Tracks the messages of a connection that come back to itself over the bus: notifications that it receives itself, and its callbacks. The
 * original finishes one event before it handles the next, so replies that do not go over the bus (an answer, a close) must wait for these
 * messages: a marker is published after them, and everything before it has arrived when it comes back.
 */
import type { Effects } from './translate.ts';

/** The time to wait for a marker: if the bus is down, it does not come back. */
const MARKER_MS = 1000;

export class DeliveryBarrier {
  /** Publishes the marker with this number. */
  readonly #mark: (number: number) => Effects;
  /** Whether something was published after the last marker. */
  #unmarked = false;
  #marker = 0;
  #then: (() => Effects) | undefined;

  constructor(mark: (number: number) => Effects) {
    this.#mark = mark;
  }

  /** Records that something was published that may come back. */
  sent(): void {
    this.#unmarked = true;
  }

  /**
   * Runs `then` once everything published so far has come back; immediately if there is nothing.
   * @param held whether the last message is not published yet: `released` must be called when it is
   */
  settled(then: () => Effects, held = false): Effects {
    const before = this.#then;
    if (before !== undefined) {
      this.#then = () => [...before(), ...then()];
      return [];
    }
    if (!this.#unmarked && !held) return then();
    this.#then = then;
    return held ? [] : this.#send();
  }

  /** Called when a held message has been published. */
  released(): Effects {
    return this.#then === undefined ? this.readOn() : this.#send();
  }

  /** Resumes reading, unless `settled` still waits. */
  readOn(): Effects {
    return this.#then === undefined ? [{ do: 'resume' }] : [];
  }

  #send(): Effects {
    this.#unmarked = false;
    this.#marker += 1;
    return [{ do: 'pause' }, ...this.#mark(this.#marker), { do: 'set-timer', name: 'marker', ms: MARKER_MS }];
  }

  /** A marker has come back or, without a number, has timed out. */
  came(number = this.#marker): Effects {
    const then = this.#then;
    if (then === undefined || number !== this.#marker) return [];
    this.#then = undefined;
    return [{ do: 'clear-timer', name: 'marker' }, ...then(), { do: 'resume' }];
  }
}
