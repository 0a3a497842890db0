/**
 * Pool of isolates. Creating one takes about two milliseconds, a context in an existing one half a millisecond: consecutive runs of one
 * version of a runnable use the same isolate, each with its own context, one at a time.
 */
import ivm from 'isolated-vm';

/** Maximum idle isolates of a process; the longest idle is dropped first. */
const MAX_IDLE = 24;
/**
 * Runs per isolate. Each leaves a context of about 230 KB behind, besides the 1 MB of a new isolate; from some 150 on V8 collects them by
 * marking all of them, and a small run costs twice as much (0.56 and 1.24 ms of CPU time with 64 and 256 runs). 16, 32, 64 and 128 runs cost
 * the same within a tenth. Disposing an isolate is nearly free.
 */
const MAX_RUNS = 32;

export interface Warm {
  readonly key: string;
  readonly isolate: ivm.Isolate;
  script: ivm.Script | undefined;
  runs: number;
  /** Its memory when it was last measured. */
  memoryBytes: number;
}

export class Isolates {
  readonly #snapshot: ivm.ExternalCopy<ArrayBuffer>;
  readonly #catastrophe: () => void;
  readonly #idle: Warm[] = [];

  constructor(snapshot: ivm.ExternalCopy<ArrayBuffer>, catastrophe: () => void) {
    this.#snapshot = snapshot;
    this.#catastrophe = catastrophe;
  }

  take(key: string, memoryMb: number): Warm {
    for (let at = this.#idle.length - 1; at >= 0; at -= 1) {
      const warm = this.#idle[at];
      if (warm?.key !== key) continue;
      this.#idle.splice(at, 1);
      return warm;
    }
    const isolate = new ivm.Isolate({ memoryLimit: memoryMb, snapshot: this.#snapshot, onCatastrophicError: this.#catastrophe });
    return { key, isolate, script: undefined, runs: 0, memoryBytes: 0 };
  }

  release(warm: Warm, reusable: boolean): void {
    warm.runs += 1;
    if (warm.isolate.isDisposed) return;
    if (!reusable || warm.runs >= MAX_RUNS) {
      warm.isolate.dispose();
      return;
    }
    this.#idle.push(warm);
    if (this.#idle.length > MAX_IDLE) this.#idle.shift()?.isolate.dispose();
  }
}
