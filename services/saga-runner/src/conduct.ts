/**
 * The recent behaviour of runnables: which may share a process, and which are suspended because they broke their limits repeatedly. Kept in
 * this process only; losing it costs a runnable one run in its own process.
 */
export interface Conduct {
  readonly alone: boolean;
  /** Its last run broke a limit: it may not take the last place for runs in their own process. */
  readonly suspect: boolean;
  /** Memory of the isolate of its last run; 0 if that is not known. */
  readonly memoryBytes: number;
  /** When its suspension ends, on the clock given to `ended`. */
  readonly suspendedUntil: number;
}

interface RunHistory {
  proven: boolean;
  /** Average of its recent runs: one slow run on a busy machine is not significant. */
  cpuMs: number;
  memoryBytes: number;
  breaches: number;
  suspendedUntil: number;
}

const UNKNOWN: RunHistory = { proven: false, cpuMs: 0, memoryBytes: 0, breaches: 0, suspendedUntil: 0 };

const MAX_KEPT = 10_000;
/** Maximum for sharing a process. */
const QUICK_CPU_MS = 100;
const WEIGHT = 0.2;
const BREACHES = 5;
const FIRST_SUSPENSION_MS = 10_000;
const LONGEST_SUSPENSION_MS = 300_000;

export class Conducts {
  readonly #kept = new Map<string, RunHistory>();

  of(key: string): Conduct {
    const { proven, suspendedUntil, breaches, memoryBytes } = this.#kept.get(key) ?? UNKNOWN;
    return { alone: !proven, suspect: breaches > 0, memoryBytes, suspendedUntil };
  }

  ended(key: string, how: Pick<RunHistory, 'cpuMs' | 'memoryBytes'> & { readonly broke: boolean }, now: number): void {
    const kept = this.#kept.get(key) ?? { ...UNKNOWN, cpuMs: how.cpuMs };
    this.#kept.delete(key);
    this.#kept.set(key, kept);
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= MAX_KEPT) break;
      this.#kept.delete(oldest);
    }
    kept.memoryBytes = how.memoryBytes;
    kept.cpuMs += (how.cpuMs - kept.cpuMs) * WEIGHT;
    kept.proven = !how.broke && kept.cpuMs <= QUICK_CPU_MS;
    kept.breaches = how.broke ? kept.breaches + 1 : 0;
    if (kept.breaches < BREACHES) return;
    kept.suspendedUntil = now + Math.min(FIRST_SUSPENSION_MS * 2 ** (kept.breaches - BREACHES), LONGEST_SUSPENSION_MS);
  }
}
