/** A number of turns: whoever wants one gets it at once, or, while all are taken, in the order of asking. */
export class Turns {
  #left: number;
  readonly #waiting = new Set<() => boolean>();

  constructor(count: number) {
    this.#left = count;
  }

  /** @param begin called with the turn, which it has to give back once; if it returns false, it does not need the turn any more */
  take(begin: () => boolean): void {
    this.#waiting.add(begin);
    this.#next();
  }

  giveBack(): void {
    this.#left += 1;
    this.#next();
  }

  #next(): void {
    for (const begin of this.#waiting) {
      if (this.#left === 0) return;
      this.#waiting.delete(begin);
      this.#left -= 1;
      if (!begin()) this.#left += 1;
    }
  }
}
