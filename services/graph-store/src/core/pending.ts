/**
 * Rows and changes between loading and commit. A batch does not know its seqs before it commits, so the state after the n-th change of a batch
 * (n from 1) has the *pending* seq −n until then. `assignSeq` converts pending seqs to real ones; in SQL this is `base - seq`.
 */
import type { Operation } from '@polyedge/contracts/bus/graph';
import type { Change, FullChange, Undo } from '@polyedge/contracts/change';
import type { Element } from '@polyedge/contracts/element';
import type { Failure } from '@polyedge/contracts/errors';
import type { Json } from '@polyedge/query/json';

/** An element as stored. */
export interface Row {
  readonly element: Element;
  /** Attributes whose values are unique among the living elements of its type; later writes keep them so. */
  readonly uniqueNames: readonly string[];
  /** The attributes as JSON text, present on rows written by this batch; it is stored as it is. */
  readonly attributesJson?: string;
}

/** A change that has no seq yet: `seq`, `state.seq` and perhaps `undo.seq` are pending. */
export interface PendingChange extends Omit<Change, 'epoch' | 'first' | 'last' | 'state' | 'undo'> {
  readonly state: Element;
  readonly undo: Undo;
  readonly uniqueNames: readonly string[];
  /** The attributes of `state` as JSON text. */
  readonly attributesJson: string;
  /** The blob that the state refers to (`CONTENT_ATTRIBUTE`). */
  readonly content?: string;
  readonly slot: number;
}

/** The result of an operation; the elements may have pending seqs. */
export interface PendingResult {
  readonly elements: readonly Element[];
  readonly unchanged?: boolean;
  readonly popped?: Json;
}

type WriteValues = Extract<Operation, { op: 'write-values' }>;

/** Values of a time series to be stored with the change whose pending seq is `seq`. */
export interface PendingValues {
  readonly id: string;
  readonly seq: number;
  readonly values: WriteValues['values'];
}

/** The context of one request. */
export interface ApplyContext {
  readonly tenant: string;
  /** The scope of elements created without one. */
  readonly defaultScope: string;
  /** The scope of elements with a home scope (`hasHome`); undefined if the tenant has none. */
  readonly homeScope: string | undefined;
  /** Milliseconds since 1970. */
  readonly on: number;
  /** Returns a new, unused vertex id (it may be random, unlike the core). */
  readonly newId: () => string;
  /** By index of the operation: ids that SQL found for its criteria. Their rows must be in the world. The core checks each again. */
  readonly candidates: ReadonlyMap<number, readonly string[]>;
  /** Blobs named by `attach` operations whose chunks have all been written. */
  readonly contents: ReadonlySet<string>;
}

/** Missing rows: load them (under lock) and apply the request again. */
export interface Needs {
  readonly ids: readonly string[];
  /** Vertices whose adjacency is missing. */
  readonly adjacency: readonly string[];
  readonly uniqueKeys: readonly string[];
}

/** The outcome of a request. After `failed` and `needs` the world is unchanged. */
export type Applied =
  | {
      readonly outcome: 'applied';
      readonly operations: readonly PendingResult[];
      /** In order; dense pending seqs. */
      readonly changes: readonly PendingChange[];
      readonly values: readonly PendingValues[];
    }
  | { readonly outcome: 'failed'; readonly failure: Failure; readonly operation: number }
  | { readonly outcome: 'needs'; readonly needs: Needs };

/** Converts a pending seq, given the sequencer's value `base` before the batch; a real seq stays as it is. */
export const assignSeq = (seq: number, base: number): number => (seq < 0 ? base - seq : seq);

/** An element with its real seq. */
export const assignElementSeq = (element: Element, base: number): Element =>
  element.seq < 0 ? { ...element, seq: base - element.seq } : element;

/** The change as it is published; `first` and `last` are the real seqs of its request. */
export function assignChangeSeqs(change: PendingChange, base: number, epoch: string, first: number, last: number): FullChange {
  const { uniqueNames: _names, attributesJson: _json, content: _content, slot: _slot, state, undo, seq, ...rest } = change;
  return {
    ...rest,
    seq: assignSeq(seq, base),
    epoch,
    first,
    last,
    state: assignElementSeq(state, base),
    undo: undo.seq < 0 ? { ...undo, seq: assignSeq(undo.seq, base) } : undo,
  };
}
