/** Reads of many elements in pages: one answer has a bound, and elements of any size must be read all the same. */
import { ALWAYS_FITTING } from './bus/graph.ts';
import type { Outcome } from './errors.ts';

export class FittingPages {
  #limit: number;

  /** @param limit elements of a page, until one of that size is too large for an answer */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Elements of the page that was read last, at most. */
  get limit(): number {
    return this.#limit;
  }

  /**
   * Reads a page. If it is too large, it is read again with `ALWAYS_FITTING` elements, as all later ones are.
   * @param ask reads this many elements from where the last page ended
   */
  async read<T>(ask: (limit: number) => Promise<Outcome<T>>): Promise<Outcome<T>> {
    const outcome = await ask(this.#limit);
    if (outcome.ok || outcome.failure.code !== 'too-large' || this.#limit <= ALWAYS_FITTING) return outcome;
    this.#limit = ALWAYS_FITTING;
    return await ask(ALWAYS_FITTING);
  }
}
