/**
 * Rows and changes between their loading and the commit. A batch does not know its seqs before it commits, so a state made by the n-th change
 * of a batch (n from 1) carries the seq −n until then: *pending*. `settle` turns pending seqs into real ones, or SQL does with `base - seq`.
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
  /** The attributes as JSON text, present on rows that this batch wrote: write it as it is. */
  readonly attributesJson?: string;
}

/** A change that has no seq yet: `seq`, `state.seq` and perhaps `undo.seq` are pending. */
export interface PendingChange extends Omit<Change, 'epoch' | 'first' | 'last' | 'state' | 'undo'> {
  readonly state: Element;
  readonly undo: Undo;
  readonly uniqueNames: readonly string[];
  /** The attributes of `state` as JSON text. */
  readonly attributesJson: string;
  /** The content that the state refers to (`CONTENT_ATTRIBUTE`). */
  readonly content?: string;
  readonly slot: number;
}

/** What an operation did; the elements may carry pending seqs. */
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

/** What one request asks and who asks it. */
export interface Context {
  readonly tenant: string;
  /** The scope of elements that are created without one. */
  readonly defaultScope: string;
  /** The scope of elements that have a home (`hasHome`); undefined where the tenant has none. */
  readonly homeScope: string | undefined;
  /** Milliseconds since 1970. */
  readonly on: number;
  /** A new vertex id, never used before (unlike the core, it may be random). */
  readonly newId: () => string;
  /** By index of the operation: ids that SQL found for its criteria. Their rows must be in the world. The core checks each again. */
  readonly candidates: ReadonlyMap<number, readonly string[]>;
  /** Contents named by `attach` operations whose chunks were all written. */
  readonly contents: ReadonlySet<string>;
}

/** What the world lacked: load it (under lock) and apply the request again. */
export interface Needs {
  readonly ids: readonly string[];
  /** Vertices whose adjacency is missing. */
  readonly adjacency: readonly string[];
  readonly uniqueKeys: readonly string[];
}

/** What became of a request. After `failed` and `needs` the world is as it was. */
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

/** The real seq of a pending one when the sequencer stood at `base` before the batch; a real one stays. */
export const settle = (seq: number, base: number): number => (seq < 0 ? base - seq : seq);

/** An element with its real seq. */
export const settleElement = (element: Element, base: number): Element =>
  element.seq < 0 ? { ...element, seq: base - element.seq } : element;

/** The change as it travels; `first` and `last` are real seqs of its request. */
export function settleChange(change: PendingChange, base: number, epoch: string, first: number, last: number): FullChange {
  const { uniqueNames: _names, attributesJson: _json, content: _content, slot: _slot, state, undo, seq, ...rest } = change;
  return {
    ...rest,
    seq: settle(seq, base),
    epoch,
    first,
    last,
    state: settleElement(state, base),
    undo: undo.seq < 0 ? { ...undo, seq: settle(undo.seq, base) } : undo,
  };
}
