/** How many runs a chain had lately: a script that fires itself, or two that fire each other, must not keep everybody busy. */
export interface ChainLimits {
  readonly depth: number;
  readonly runs: number;
  readonly perMs: number;
}

interface Chain {
  since: number;
  runs: number;
}

const MAX_CHAINS = 50_000;

export class Chains {
  readonly #limits: ChainLimits;
  readonly #chains = new Map<string, Chain>();

  constructor(limits: ChainLimits) {
    this.#limits = limits;
  }

  /** Counts one more run of a chain; what speaks against it, or undefined. */
  problem(chain: string, depth: number, now: number): string | undefined {
    if (depth > this.#limits.depth) return `the chain of runs is deeper than ${this.#limits.depth}`;
    let kept = this.#chains.get(chain);
    if (kept === undefined || now - kept.since > this.#limits.perMs) {
      kept = { since: now, runs: 0 };
      this.#chains.delete(chain);
      this.#chains.set(chain, kept);
      if (this.#chains.size > MAX_CHAINS)
        for (const oldest of this.#chains.keys()) {
          this.#chains.delete(oldest);
          break;
        }
    }
    kept.runs += 1;
    return kept.runs > this.#limits.runs
      ? `the chain had more than ${this.#limits.runs} runs in ${this.#limits.perMs / 1000} s`
      : undefined;
  }
}
