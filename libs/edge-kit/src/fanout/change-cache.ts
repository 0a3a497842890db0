/** Caches values derived from a change. Each is computed on first use and lives as long as the change itself. */
import { type FullChange, stateBefore } from '@polyedge/contracts/change';
import type { Element } from '@polyedge/contracts/element';
import type { Document } from '@polyedge/query/document';
import type { View } from '@polyedge/session/session';
import type { Packet } from '../transport/wire.ts';

/** How a protocol derives values from changes; each function is pure. */
export interface ChangeReader<P extends Packet> {
  /** The packet that shows a change in a view, or undefined for none. Equal shapes give equal packets. */
  frame(change: FullChange, view: View): P | undefined;
  /** The document that filters are applied to. Default: the state after the change. */
  document?(change: FullChange): Document;
}

interface CachedChange<P extends Packet> {
  document: Document | undefined;
  /** Undefined until computed; `none` if the change created the element. */
  before: Element | 'none' | undefined;
  /** By shape. */
  frames: Map<string, P | undefined> | undefined;
}

/** One per edge, shared by broadcast and filtered subscriptions. */
export class ChangeCache<P extends Packet> {
  readonly #reader: ChangeReader<P>;
  readonly #entries = new WeakMap<FullChange, CachedChange<P>>();

  constructor(reader: ChangeReader<P>) {
    this.#reader = reader;
  }

  document(change: FullChange): Document {
    if (this.#reader.document === undefined) return change.state;
    const entry = this.#entry(change);
    entry.document ??= this.#reader.document(change);
    return entry.document;
  }

  /** The element before the change; undefined if the change created it. */
  before(change: FullChange): Element | undefined {
    const entry = this.#entry(change);
    entry.before ??= stateBefore(change.state, change.undo) ?? 'none';
    return entry.before === 'none' ? undefined : entry.before;
  }

  frame(change: FullChange, view: View): P | undefined {
    const entry = this.#entry(change);
    entry.frames ??= new Map();
    const known = entry.frames.get(view.shape);
    if (known !== undefined || entry.frames.has(view.shape)) return known;
    const frame = this.#reader.frame(change, view);
    entry.frames.set(view.shape, frame);
    return frame;
  }

  #entry(change: FullChange): CachedChange<P> {
    let entry = this.#entries.get(change);
    if (entry === undefined) {
      entry = { document: undefined, before: undefined, frames: undefined };
      this.#entries.set(change, entry);
    }
    return entry;
  }
}
