/** The newest changes in memory: what is published and fetched again most often never leaves the process. */
import { MAX_CHANGE_BYTES } from '@polyedge/contracts/bus/feed';
import type { FullChange } from '@polyedge/contracts/change';

/** A change with the JSON it travels as, made once. */
export interface Recent {
  readonly change: FullChange;
  /** Undefined when it is larger than what travels whole. */
  readonly json: string | undefined;
  /** Of its JSON, roughly. */
  readonly characters: number;
}

export class RecentChanges {
  readonly #bySeq = new Map<number, Recent>();
  readonly #maxChanges: number;
  readonly #maxBytes: number;
  #bytes = 0;
  #epoch: string | undefined;

  constructor(maxChanges = 20_000, maxBytes = 64 * 1024 * 1024) {
    this.#maxChanges = maxChanges;
    this.#maxBytes = maxBytes;
  }

  /**
   * Adds committed changes; the ones added first leave first.
   * @param sizes characters of each state's attributes as JSON, where known
   */
  add(changes: readonly FullChange[], sizes: readonly number[] = []): void {
    for (const [at, change] of changes.entries()) {
      if (this.#bySeq.has(change.seq)) continue;
      const recent = recentOf(change, sizes[at] ?? 0);
      this.#bySeq.set(change.seq, recent);
      this.#bytes += recent.characters;
    }
    for (const [seq, { characters }] of this.#bySeq) {
      if (this.#bySeq.size <= this.#maxChanges && this.#bytes <= this.#maxBytes) break;
      this.#bySeq.delete(seq);
      this.#bytes -= characters;
    }
  }

  get(seq: number): Recent | undefined {
    return this.#bySeq.get(seq);
  }

  /** The epoch in force. When it is another one than before, nothing of the old history may be found any more. */
  enter(epoch: string): void {
    if (epoch === this.#epoch) return;
    this.#epoch = epoch;
    this.#bySeq.clear();
    this.#bytes = 0;
  }
}

/** Making the JSON of what will not travel whole costs milliseconds for nothing. */
function recentOf(change: FullChange, size: number): Recent {
  if (size > MAX_CHANGE_BYTES) return { change, json: undefined, characters: 2 * size };
  const json = JSON.stringify(change);
  return { change, json: Buffer.byteLength(json) > MAX_CHANGE_BYTES ? undefined : json, characters: json.length };
}
