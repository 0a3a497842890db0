/** Which refused runs are recorded: of one runnable, one in a second. */
const EVERY_MS = 1000;
/** Maximum number of runnables that are remembered; beyond it all are forgotten. */
const MAX_REMEMBERED = 10_000;

export class Refusals {
  /** By runnable: when a refusal was last recorded. */
  readonly #recordedAt = new Map<string, number>();

  /** @param now milliseconds from an arbitrary origin, never decreasing */
  isToBeRecorded(runnable: string, now: number): boolean {
    if (now - (this.#recordedAt.get(runnable) ?? Number.NEGATIVE_INFINITY) < EVERY_MS) return false;
    if (this.#recordedAt.size >= MAX_REMEMBERED) this.#recordedAt.clear();
    this.#recordedAt.set(runnable, now);
    return true;
  }
}
