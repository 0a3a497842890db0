/**
 * Decides which hash runs next. A hash takes a core for 50 to 200 ms, so in a flood of logins most callers have given up before their turn.
 * Therefore the queue is short, work that would finish too late is not begun, and the newest comes first. Among addresses, and then among
 * accounts, the one served longest ago comes first, so that a flood from some does not lock out the others.
 */

/** The most waiting callers; beyond it, the oldest of the address with the most gets `busy`. */
const MAX_WAITING = 64;
/** Even if turns have become slow, a caller with more time left than this is served. */
const MAX_MARGIN_MS = 1000;
/** The most addresses and accounts whose last turn is remembered. */
const MAX_REMEMBERED = 10_000;

export interface HashCaller {
  /** The caller's network; networks are served in turn. */
  readonly address: string;
  /** The account whose password is checked. Only one hash per account runs at a time, so that guesses are counted one after the other. */
  readonly account: string;
  /** When it stops waiting, on the queue's clock. */
  readonly deadline: number;
}

interface WaitingHash extends HashCaller {
  readonly begin: () => void;
  readonly refuse: (why: 'busy' | 'expired') => void;
}

/** Counters for metrics. */
export interface HashStats {
  hashed: number;
  /** Never begun, because it would have finished after the caller's deadline. */
  expired: number;
  refused: number;
}

export class HashQueue {
  readonly stats: HashStats = { hashed: 0, expired: 0, refused: 0 };
  readonly #parallel: number;
  readonly #now: () => number;
  /** In the order of arrival. */
  readonly #waiting: WaitingHash[] = [];
  readonly #accounts = new Set<string>();
  /** The turn at which an address or an account was last served; it only grows. */
  readonly #served = new Map<string, number>();
  #turns = 0;
  #running = 0;
  /** The recent duration of a turn. */
  #turnMs = 0;

  /**
   * @param parallel the number of concurrent hashes
   * @param now a monotonic clock in milliseconds
   */
  constructor(parallel: number, now: () => number = () => performance.now()) {
    this.#parallel = parallel;
    this.#now = now;
  }

  /** Runs the work in its turn. `busy` and `expired` mean that it was not begun. */
  async run<T>(caller: HashCaller, work: () => Promise<T>): Promise<T | 'busy' | 'expired'> {
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

  #turn(caller: HashCaller): Promise<'busy' | 'expired' | undefined> {
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

  /** Drops work that can no longer finish in time. */
  #dropExpired(): void {
    const now = this.#now() + Math.min(this.#turnMs, MAX_MARGIN_MS);
    for (const waiting of this.#waiting.filter(({ deadline }) => deadline <= now)) {
      this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
      this.stats.expired += 1;
      waiting.refuse('expired');
    }
  }

  /** The caller served longest ago, by address and then by account; among equals the newest. */
  #best(): WaitingHash | undefined {
    let best: WaitingHash | undefined;
    for (const waiting of this.#waiting) {
      if (this.#accounts.has(waiting.account)) continue;
      if (best === undefined || this.#order(waiting, best) <= 0) best = waiting;
    }
    return best;
  }

  #order(left: HashCaller, right: HashCaller): number {
    const servedAt = (key: string): number => this.#served.get(key) ?? 0;
    return (
      servedAt(`address ${left.address}`) - servedAt(`address ${right.address}`) ||
      servedAt(`account ${left.account}`) - servedAt(`account ${right.account}`)
    );
  }

  #remember({ address, account }: HashCaller): void {
    this.#turns += 1;
    for (const key of [`address ${address}`, `account ${account}`]) {
      // Inserted last, so that those served longest ago are evicted first.
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
