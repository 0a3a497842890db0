import type { MatchedChange } from './live-event.ts';

/** The most changes that may come before their snapshot was read, and their size in characters: they are not merged yet. */
const MAX_CHANGES = 5000;
const MAX_CHARACTERS = 32 * 1024 * 1024;

/** Changes that come while the snapshot of their subscription is read. */
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

  /** Returns and forgets them. */
  take(): readonly MatchedChange[] {
    const changes = this.#changes;
    this.#changes = [];
    this.#characters = 0;
    return changes;
  }
}
