/**
 * The frames that group members receive for a batch of changes. A batch shared by several groups is one array: what a view shows of it is
 * computed once, packed into few packets, and written to any number of sockets. The most recent results are cached, up to a bound.
 */
import type { FullChange } from '@polyedge/contracts/change';
import type { Document } from '@polyedge/query/document';
import { key } from '@polyedge/query/normalize';
import { compile, type Predicate } from '@polyedge/query/predicate';
import type { View } from '@polyedge/session/session';
import type { Framing, Packet } from '../transport/wire.ts';

export interface BatchReader<Raw> {
  /** The encoded frame of a change in a view; undefined for none. Pure; equal shapes give equal frames. */
  show(change: FullChange, view: View): Raw | undefined;
  /** The document that filters are applied to. */
  document(change: FullChange): Document;
}

/** The frames of a batch in a view. */
export interface ShownBatch<P extends Packet> {
  /** Number of changes shown. */
  readonly count: number;
  readonly packets: readonly P[];
}

/** A prepared view. Views with equal keys show the same. */
export class BatchView {
  readonly view: View;
  readonly key: string;
  readonly matches: Predicate;

  constructor(view: View) {
    this.view = view;
    this.key = `${JSON.stringify(view.shape)} ${key(view.filter)}`;
    this.matches = compile(view.filter);
  }
}

/** The cached results of one batch. */
interface Batch<Raw, P extends Packet> {
  /** By the view's key. */
  readonly shown: Map<string, ShownBatch<P>>;
  /** By shape and index of the change; null: no frame, undefined: not computed yet. */
  readonly raws: Map<string, (Raw | null | undefined)[]>;
  bytes: number;
}

const KEPT_BYTES = 8 * 1024 * 1024;
const KEPT_BATCHES = 1024;

export class BatchFrames<Raw, P extends Packet> {
  readonly #reader: BatchReader<Raw>;
  readonly #framing: Framing<Raw, P>;
  /** Oldest first. */
  readonly #batches = new Map<readonly FullChange[], Batch<Raw, P>>();
  #bytes = 0;

  constructor(reader: BatchReader<Raw>, framing: Framing<Raw, P>) {
    this.#reader = reader;
    this.#framing = framing;
  }

  /**
   * @param changes must not be modified after the call
   * @param shared other groups may request the same batch, so the result is cached
   */
  of(changes: readonly FullChange[], view: BatchView, shared: boolean): ShownBatch<P> {
    if (!shared) return this.#make(changes, view, []);
    const batch = this.#batchOf(changes);
    const known = batch.shown.get(view.key);
    if (known !== undefined) return known;
    const shown = this.#make(changes, view, rawsOf(batch, view.view.shape));
    batch.shown.set(view.key, shown);
    this.#keep(batch, shown);
    return shown;
  }

  #make(changes: readonly FullChange[], view: BatchView, known: (Raw | null | undefined)[]): ShownBatch<P> {
    const raws = this.#show(changes, view, known);
    return { count: raws.length, packets: this.#pack(raws) };
  }

  #show(changes: readonly FullChange[], { view, matches }: BatchView, known: (Raw | null | undefined)[]): Raw[] {
    const raws: Raw[] = [];
    for (let at = 0; at < changes.length; at += 1) {
      const change = changes[at];
      if (change === undefined || !matches(this.#reader.document(change))) continue;
      let raw = known[at];
      if (raw === undefined) {
        raw = this.#reader.show(change, view) ?? null;
        known[at] = raw;
      }
      if (raw !== null) raws.push(raw);
    }
    return raws;
  }

  #pack(raws: readonly Raw[]): readonly P[] {
    return this.#framing.packAll?.(raws) ?? raws.map((raw) => this.#framing.pack(raw));
  }

  #batchOf(changes: readonly FullChange[]): Batch<Raw, P> {
    let batch = this.#batches.get(changes);
    if (batch === undefined) {
      batch = { shown: new Map(), raws: new Map(), bytes: 0 };
      this.#batches.set(changes, batch);
    }
    return batch;
  }

  #keep(batch: Batch<Raw, P>, { packets }: ShownBatch<P>): void {
    for (const { bytes } of packets) {
      batch.bytes += bytes;
      this.#bytes += bytes;
    }
    for (const [changes, oldest] of this.#batches) {
      if (this.#bytes <= KEPT_BYTES && this.#batches.size <= KEPT_BATCHES) break;
      this.#batches.delete(changes);
      this.#bytes -= oldest.bytes;
    }
  }
}

function rawsOf<Raw, P extends Packet>({ raws }: Batch<Raw, P>, shape: string): (Raw | null | undefined)[] {
  const known = raws.get(shape);
  if (known !== undefined) return known;
  const made: (Raw | null | undefined)[] = [];
  raws.set(shape, made);
  return made;
}
