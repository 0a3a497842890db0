import type { MatchedChange } from './live-event.ts';

/** Maximum number and size (in characters) of unmerged changes that may arrive before the snapshot was read. */
const MAX_CHANGES = 5000;
const MAX_CHARACTERS = 32 * 1024 * 1024;

/** Buffers changes that arrive while the snapshot of their subscription is being read. */
export class EarlyChanges {
  #changes: MatchedChange[] = [];
  #characters = 0;

  get size(): number {
    return this.#changes.length;
  }

  get overflows(): boolean {
    return this.#changes.length > MAX_CHANGES || this.#characters > MAX_CHARACTERS;
  }

  add(matched: MatchedChange, characters: number): void {
    this.#changes.push(matched);
    this.#characters += characters;
  }

  /** Returns and removes them. */
  take(): readonly MatchedChange[] {
    const changes = this.#changes;
    this.#changes = [];
    this.#characters = 0;
    return changes;
  }
}
