/** Limits the recent runs of a chain: scripts that fire themselves or each other must not occupy the runners. */
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

  /** Counts one more run of a chain; returns why it must not start, or undefined. */
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
