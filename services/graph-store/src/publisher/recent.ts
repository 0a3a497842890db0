/** The newest changes in memory, so that publishing and the most frequent fetches need no database. */
import { MAX_CHANGE_BYTES } from '@polyedge/contracts/bus/feed';
import type { FullChange } from '@polyedge/contracts/change';
import { changeText } from '@polyedge/contracts/change-text';
import type { Json } from '@polyedge/query/json';

/** A change of a batch, with the JSON that the batch has already made. */
export interface Committed {
  readonly change: FullChange;
  /** The attributes of its state. */
  readonly attributesJson: string;
}

/** A change and its published JSON, which is made once, on first use. */
export class Recent {
  readonly change: FullChange;
  /** Approximate length of its JSON. */
  readonly characters: number;
  #attributesJson: string | undefined;
  /** Null: too large to be published in full. */
  #json: string | null | undefined;

  constructor(change: FullChange, attributesJson?: string) {
    this.change = change;
    this.#attributesJson = attributesJson;
    const attributes = attributesJson?.length ?? roughSize(change.state.attributes);
    this.characters = attributes + roughSize(change.undo.set) + AROUND;
    // Serializing a change that will not be published in full would waste milliseconds.
    if (attributes > MAX_CHANGE_BYTES) this.#json = null;
  }

  /** Undefined if it is too large to be published in full. */
  get json(): string | undefined {
    if (this.#json === undefined) {
      const json = changeText(this.change, this.#attributesJson);
      // A UTF-16 unit is at most three bytes in UTF-8, so ordinary changes need no counting.
      this.#json = json.length * 3 > MAX_CHANGE_BYTES && Buffer.byteLength(json) > MAX_CHANGE_BYTES ? null : json;
      this.#attributesJson = undefined;
    }
    return this.#json ?? undefined;
  }

  /** Published instead of a change that is too large: subscribers fetch it by its seq. */
  get reference(): string {
    const { state: _state, undo: _undo, ...rest } = this.change;
    return JSON.stringify(rest);
  }
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

  /** Adds committed changes; the oldest are evicted first. */
  add(changes: readonly Recent[]): void {
    for (const recent of changes) {
      const { seq } = recent.change;
      if (this.#bySeq.has(seq)) continue;
      this.#bySeq.set(seq, recent);
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

  /** Sets the epoch. If it is a new one, all changes of the old epoch are dropped. */
  enter(epoch: string): void {
    if (epoch === this.#epoch) return;
    this.#epoch = epoch;
    this.#bySeq.clear();
    this.#bytes = 0;
  }
}

/** Length of a change's JSON without attributes. */
const AROUND = 800;

/** Estimates the length of a value's JSON without serializing it. */
function roughSize(value: Json): number {
  switch (typeof value) {
    case 'string':
      return value.length + 2;
    case 'object': {
      let size = 2;
      if (value === null) return 4;
      if (Array.isArray(value)) for (const item of value) size += roughSize(item) + 1;
      else for (const name in value) size += name.length + 4 + roughSize((value as { readonly [name: string]: Json })[name] ?? null);
      return size;
    }
    default:
      return 8;
  }
}
