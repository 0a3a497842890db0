/** The locks that batches take in PostgreSQL, in memory: the advisory one, shared or alone, and those of rows. Who came first has them first. */

/** A transaction, as whoever holds or waits for locks. */
export interface Holder {
  /** Rows that it has locked. */
  readonly rows: Set<string>;
}

interface Waiting {
  readonly holder: Holder;
  readonly granted: () => void;
}

export class LockModel {
  readonly #inside = new Map<Holder, 'shared' | 'alone'>();
  #outside: (Waiting & { readonly alone: boolean })[] = [];
  readonly #rows = new Map<string, { holder: Holder; waiting: Waiting[] }>();

  /** Takes the lock that every batch has. `alone`: when nobody else has it, and so that nobody else gets it. */
  enter(holder: Holder, alone: boolean, granted: () => void): void {
    this.#outside.push({ holder, alone, granted });
    this.#admit();
  }

  /** Takes the lock of a row. */
  row(holder: Holder, row: string, granted: () => void): void {
    const lock = this.#rows.get(row);
    if (lock !== undefined && lock.holder !== holder) {
      lock.waiting.push({ holder, granted });
      return;
    }
    if (lock === undefined) this.#rows.set(row, { holder, waiting: [] });
    holder.rows.add(row);
    granted();
  }

  /** Whether somebody else has locked a row. */
  isHeld(holder: Holder, row: string): boolean {
    const lock = this.#rows.get(row);
    return lock !== undefined && lock.holder !== holder;
  }

  /** Gives back everything, and waits for nothing any more. */
  leave(holder: Holder): void {
    this.#inside.delete(holder);
    this.#outside = this.#outside.filter((one) => one.holder !== holder);
    for (const lock of this.#rows.values()) lock.waiting = lock.waiting.filter((one) => one.holder !== holder);
    const next: Waiting[] = [];
    for (const row of holder.rows) {
      const lock = this.#rows.get(row);
      const heir = lock?.waiting.shift();
      if (lock === undefined || heir === undefined) this.#rows.delete(row);
      else {
        lock.holder = heir.holder;
        heir.holder.rows.add(row);
        next.push(heir);
      }
    }
    holder.rows.clear();
    for (const { granted } of next) granted();
    this.#admit();
  }

  #admit(): void {
    for (let [first] = this.#outside; first !== undefined; [first] = this.#outside) {
      const others = [...this.#inside.values()];
      if (first.alone ? others.length > 0 : others.includes('alone')) return;
      this.#outside.shift();
      this.#inside.set(first.holder, first.alone ? 'alone' : 'shared');
      first.granted();
    }
  }
}
