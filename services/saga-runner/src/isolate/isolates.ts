/**
 * Isolates that wait for their next run. Making one costs about two milliseconds, a context in one that exists half of one: so runs of one version
 * of one runnable follow each other in an isolate, each in a context of its own, one at a time.
 */
import ivm from 'isolated-vm';

/** Idle ones of a process; the one that waited longest goes first. */
const MAX_IDLE = 24;
/**
 * Then it is made anew. Each run leaves a context of about 200 KB behind: from some 150 on V8 collects them, by marking all there are, and a small
 * run costs twice as much (0.56 and 1.24 ms of a processor with 64 and 256 runs). An isolate that ends costs next to nothing.
 */
const MAX_RUNS = 64;

export interface Warm {
  readonly key: string;
  readonly isolate: ivm.Isolate;
  script: ivm.Script | undefined;
  runs: number;
  /** What it held when that was last looked at. */
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

  giveBack(warm: Warm, reusable: boolean): void {
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
