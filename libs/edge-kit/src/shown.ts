/** What changes look like, remembered as long as somebody holds the change: several groups and members of one edge share a frame. */
import type { FullChange } from '@polyedge/contracts/change';
import type { Document } from '@polyedge/query/document';
import type { View } from '@polyedge/session/session';
import type { Packet } from './wire.ts';

export class Shows<P extends Packet> {
  readonly #frame: (change: FullChange, view: View) => P | undefined;
  readonly #document: (change: FullChange) => Document;
  readonly #known = new WeakMap<FullChange, { readonly document: Document; readonly frames: Map<string, P | undefined> }>();

  constructor(frame: (change: FullChange, view: View) => P | undefined, document: (change: FullChange) => Document) {
    this.#frame = frame;
    this.#document = document;
  }

  document(change: FullChange): Document {
    return this.#of(change).document;
  }

  /** Equal shapes give equal frames. */
  frame(change: FullChange, view: View): P | undefined {
    const { frames } = this.#of(change);
    if (frames.has(view.shape)) return frames.get(view.shape);
    const frame = this.#frame(change, view);
    frames.set(view.shape, frame);
    return frame;
  }

  #of(change: FullChange): { readonly document: Document; readonly frames: Map<string, P | undefined> } {
    let known = this.#known.get(change);
    if (known === undefined) {
      known = { document: this.#document(change), frames: new Map() };
      this.#known.set(change, known);
    }
    return known;
  }
}
