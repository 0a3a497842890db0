/**
 * How runnables have behaved lately: who may share a process, and who is not run for a while because it broke its limits again and again. Kept in
 * this process alone; forgetting it costs a runnable one run in a process of its own.
 */
export interface Conduct {
  readonly alone: boolean;
  /** Until when nothing of it runs, on the clock given. */
  readonly suspendedUntil: number;
}

interface Kept {
  proven: boolean;
  breaches: number;
  suspendedUntil: number;
}

const MAX_KEPT = 10_000;
/** Quick enough to share a process. */
const QUICK_CPU_MS = 100;
const BREACHES = 5;
const FIRST_SUSPENSION_MS = 10_000;
const LONGEST_SUSPENSION_MS = 300_000;

export class Conducts {
  readonly #kept = new Map<string, Kept>();

  of(key: string): Conduct {
    const { proven, suspendedUntil } = this.#kept.get(key) ?? { proven: false, suspendedUntil: 0 };
    return { alone: !proven, suspendedUntil };
  }

  ended(key: string, how: { readonly broke: boolean; readonly cpuMs: number }, now: number): void {
    const kept = this.#kept.get(key) ?? { proven: false, breaches: 0, suspendedUntil: 0 };
    this.#kept.delete(key);
    this.#kept.set(key, kept);
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= MAX_KEPT) break;
      this.#kept.delete(oldest);
    }
    kept.proven = !how.broke && how.cpuMs <= QUICK_CPU_MS;
    kept.breaches = how.broke ? kept.breaches + 1 : 0;
    if (kept.breaches < BREACHES) return;
    kept.suspendedUntil = now + Math.min(FIRST_SUSPENSION_MS * 2 ** (kept.breaches - BREACHES), LONGEST_SUSPENSION_MS);
  }
}
