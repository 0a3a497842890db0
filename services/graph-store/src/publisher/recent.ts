/** The newest changes in memory: what is published and fetched again most often never leaves the process. */
import type { FullChange } from '@polyedge/contracts/change';

/** A change with the JSON it travels as, made once. */
export interface Recent {
  readonly change: FullChange;
  readonly json: string;
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

  /** Adds committed changes; the ones added first leave first. */
  add(changes: readonly FullChange[]): void {
    for (const change of changes) {
      if (this.#bySeq.has(change.seq)) continue;
      const json = JSON.stringify(change);
      this.#bySeq.set(change.seq, { change, json });
      this.#bytes += json.length;
    }
    for (const [seq, { json }] of this.#bySeq) {
      if (this.#bySeq.size <= this.#maxChanges && this.#bytes <= this.#maxBytes) break;
      this.#bySeq.delete(seq);
      this.#bytes -= json.length;
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
