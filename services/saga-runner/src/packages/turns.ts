/**
 * Turns of organizations at work that is rare and expensive: each has one piece of it at a time, all together at most so many. Whoever
 * waits longest is next, so an organization with much work waits behind the others after each piece of its own.
 */
export class Turns {
  readonly #most: number;
  /** The last piece of work of each organization. */
  readonly #last = new Map<string, Promise<void>>();
  /** The next piece of each organization that waits for a place. */
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  /** @param most pieces of work at once */
  constructor(most: number) {
    this.#most = most;
  }

  /** Resolves or rejects as the work does; later work is not affected by a failure. */
  take(tenant: string, work: () => Promise<void>): Promise<void> {
    const before = this.#last.get(tenant) ?? Promise.resolve();
    const own = before.then(() => this.#placed(work));
    const over = own
      .catch(() => {})
      .then(() => {
        if (this.#last.get(tenant) === over) this.#last.delete(tenant);
      });
    this.#last.set(tenant, over);
    return own;
  }

  async #placed(work: () => Promise<void>): Promise<void> {
    if (this.#running < this.#most) this.#running += 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }
}
