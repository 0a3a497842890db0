/**
 * What a connection is still owed for what it has sent: notifications that it hears itself, and its callbacks, which travel over the bus. The
 * original handles one event to its end before the next one, so whatever follows and does not travel (an answer, a close) waits for them: a
 * marker is sent the same way, and comes back behind them.
 */
import type { Effects } from './translate.ts';

/** The bus may be down, and then nothing comes back. */
const MARKER_MS = 1000;

export class Owed {
  /** Sends the marker of this number. */
  readonly #mark: (number: number) => Effects;
  /** Something was sent and no marker after it. */
  #unmarked = false;
  #marker = 0;
  #then: (() => Effects) | undefined;

  constructor(mark: (number: number) => Effects) {
    this.#mark = mark;
  }

  /** Something was sent that may come back. */
  sent(): void {
    this.#unmarked = true;
  }

  /**
   * Does something when all that is owed has come, at once where nothing is.
   * @param held what was sent last is not on its way yet: `released` follows when it is
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

  /** What was held is on its way. */
  released(): Effects {
    return this.#then === undefined ? this.readOn() : this.#send();
  }

  /** Goes on reading, unless something waits for what is owed. */
  readOn(): Effects {
    return this.#then === undefined ? [{ do: 'resume' }] : [];
  }

  #send(): Effects {
    this.#unmarked = false;
    this.#marker += 1;
    return [{ do: 'pause' }, ...this.#mark(this.#marker), { do: 'set-timer', name: 'marker', ms: MARKER_MS }];
  }

  /** A marker has come back, or (without a number) is not to be waited for any longer. */
  came(number = this.#marker): Effects {
    const then = this.#then;
    if (then === undefined || number !== this.#marker) return [];
    this.#then = undefined;
    return [{ do: 'clear-timer', name: 'marker' }, ...then(), { do: 'resume' }];
  }
}
