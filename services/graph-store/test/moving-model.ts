/** What becomes of the changes of a tenant that moves to another journal, as `src/placing` does it in SQL. */
import type { MutationOutcome, MutationRequest } from '@polyedge/contracts/bus/graph';
import type { FullChange } from '@polyedge/contracts/change';
import type { Row } from '../src/core/pending.ts';

export type Success = Extract<MutationOutcome, { ok: true }>;

/** A request and its outcome, by which a repeat of it is known. */
export interface Remembered {
  readonly tenant: string;
  readonly request: MutationRequest;
  readonly outcome: Success;
}

export interface Piece {
  readonly tenant: string;
  readonly changes: readonly FullChange[];
  /** Rows whose last change is among them. */
  readonly rows: readonly Row[];
  /** By operation id. */
  readonly operations: ReadonlyMap<string, Remembered>;
  /** Every change of the tenant up to here is in it, or in one before. */
  readonly upTo: number;
}

/**
 * The same with numbers of another journal.
 * @param base its newest seq
 * @param numbers which number became which, of all pieces before; those of this one are added
 */
export function renumbered(piece: Piece, epoch: string, base: number, numbers: Map<number, number>): Piece {
  for (const [at, { seq }] of piece.changes.entries()) numbers.set(seq, base + at + 1);
  const now = (was: number): number => numbers.get(was) ?? 0;
  const changes = piece.changes.map((change): FullChange => {
    const seq = now(change.seq);
    return {
      ...{ ...change, seq, epoch, first: seq - (change.seq - change.first), last: seq - (change.seq - change.last) },
      state: { ...change.state, seq },
      undo: { ...change.undo, seq: now(change.undo.seq) },
    };
  });
  const rows = piece.rows.map((row): Row => ({ ...row, element: { ...row.element, seq: now(row.element.seq) } }));
  const operations = new Map<string, Remembered>();
  for (const [id, { tenant, request, outcome }] of piece.operations) {
    const { first, last, operations: results } = outcome.value;
    const moved = results.map((result) => ({
      ...result,
      elements: result.elements.map((element) => ({ ...element, seq: now(element.seq) })),
    }));
    const value = { ...outcome.value, first: now(first), last: now(last), operations: moved };
    operations.set(id, { tenant, request, outcome: { ok: true, value } });
  }
  return { ...piece, changes, rows, operations };
}

/** What is left of a change in the journal that its tenant has left: readers pass over the scope `system`. */
export function blank(change: FullChange): FullChange {
  const { seq, state } = change;
  return {
    ...{ ...change, tenant: '', scope: 'system', type: '', owners: [] },
    state: { ...state, seq, tenant: '', scope: 'system', type: '', attributes: {} },
    undo: { set: {}, unset: [], version: 0, seq: 0, deleted: false },
  };
}
