/**
 * Who hashes next. A hash takes a core for 50 to 200 ms, so in a flood of logins nearly all are in vain: their callers are gone before it is
 * their turn. So the queue is short, what waits too long to be answered in time is not begun, and the newest comes first. Among addresses, and
 * then among accounts, whoever was served longest ago comes first, so that a flood from some does not keep out the others.
 */

/** Work that may wait; when there is more, the oldest of the address with the most is told `busy`. */
const MAX_WAITING = 64;
/** However slow turns became, a caller who waits longer than this is served. */
const MAX_MARGIN_MS = 1000;
/** Addresses and accounts of which it is remembered when they were served. */
const MAX_REMEMBERED = 10_000;

export interface Caller {
  /** The network it comes from: what shares one is served in turn. */
  readonly address: string;
  /** Whose password is tried. Of one account one hash is made at a time, so that guesses are counted one after the other. */
  readonly account: string;
  /** When it stops waiting, on the queue's clock. */
  readonly deadline: number;
}

interface Waiting extends Caller {
  readonly begin: () => void;
  readonly refuse: (why: 'busy' | 'expired') => void;
}

/** Counters for metrics. */
export interface HashStats {
  hashed: number;
  /** Never begun, because the caller was gone or would have been. */
  expired: number;
  refused: number;
}

export class HashQueue {
  readonly stats: HashStats = { hashed: 0, expired: 0, refused: 0 };
  readonly #parallel: number;
  readonly #now: () => number;
  /** In the order in which they came. */
  readonly #waiting: Waiting[] = [];
  readonly #accounts = new Set<string>();
  /** When an address or an account was served last: a number that grows. */
  readonly #served = new Map<string, number>();
  #turns = 0;
  #running = 0;
  /** How long a turn takes of late. */
  #turnMs = 0;

  /**
   * @param parallel how many hash at once
   * @param now a monotonic clock in milliseconds
   */
  constructor(parallel: number, now: () => number = () => performance.now()) {
    this.#parallel = parallel;
    this.#now = now;
  }

  /** Does the work when it is its turn. `busy` and `expired`: it was not begun. */
  async run<T>(caller: Caller, work: () => Promise<T>): Promise<T | 'busy' | 'expired'> {
    const refused = await this.#turn(caller);
    if (refused !== undefined) return refused;
    const startedAt = this.#now();
    try {
      return await work();
    } finally {
      this.stats.hashed += 1;
      const took = this.#now() - startedAt;
      this.#turnMs = this.#turnMs === 0 ? took : this.#turnMs * 0.8 + took * 0.2;
      this.#running -= 1;
      this.#accounts.delete(caller.account);
      this.#next();
    }
  }

  #turn(caller: Caller): Promise<'busy' | 'expired' | undefined> {
    return new Promise((resolve) => {
      this.#waiting.push({ ...caller, begin: () => resolve(undefined), refuse: resolve });
      this.#next();
      if (this.#waiting.length > MAX_WAITING) this.#pushOut();
    });
  }

  #next(): void {
    this.#dropExpired();
    while (this.#running < this.#parallel) {
      const next = this.#best();
      if (next === undefined) return;
      this.#waiting.splice(this.#waiting.indexOf(next), 1);
      this.#running += 1;
      this.#accounts.add(next.account);
      this.#remember(next);
      next.begin();
    }
  }

  /** What could not be answered in time any more is not begun. */
  #dropExpired(): void {
    const now = this.#now() + Math.min(this.#turnMs, MAX_MARGIN_MS);
    for (const waiting of this.#waiting.filter(({ deadline }) => deadline <= now)) {
      this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
      this.stats.expired += 1;
      waiting.refuse('expired');
    }
  }

  /** Whoever was served longest ago, by address and then by account, and of those the newest. */
  #best(): Waiting | undefined {
    let best: Waiting | undefined;
    for (const waiting of this.#waiting) {
      if (this.#accounts.has(waiting.account)) continue;
      if (best === undefined || this.#order(waiting, best) <= 0) best = waiting;
    }
    return best;
  }

  #order(left: Caller, right: Caller): number {
    const servedAt = (key: string): number => this.#served.get(key) ?? 0;
    return (
      servedAt(`address ${left.address}`) - servedAt(`address ${right.address}`) ||
      servedAt(`account ${left.account}`) - servedAt(`account ${right.account}`)
    );
  }

  #remember({ address, account }: Caller): void {
    this.#turns += 1;
    for (const key of [`address ${address}`, `account ${account}`]) {
      // Behind all others, so that those served longest ago are forgotten first.
      this.#served.delete(key);
      this.#served.set(key, this.#turns);
    }
    for (const key of this.#served.keys()) {
      if (this.#served.size <= MAX_REMEMBERED) break;
      this.#served.delete(key);
    }
  }

  #pushOut(): void {
    const counts = new Map<string, number>();
    for (const { address } of this.#waiting) counts.set(address, (counts.get(address) ?? 0) + 1);
    const most = Math.max(...counts.values());
    const at = this.#waiting.findIndex(({ address }) => counts.get(address) === most);
    for (const { refuse } of this.#waiting.splice(at, 1)) {
      this.stats.refused += 1;
      refuse('busy');
    }
  }
}
