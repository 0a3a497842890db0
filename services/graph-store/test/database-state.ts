/** What the model of PostgreSQL stores, and what is done to it outside transactions. */
import type { MutationOutcome } from '@polyedge/contracts/bus/graph';
import type { FullChange } from '@polyedge/contracts/change';
import type { Element } from '@polyedge/contracts/element';
import { covers } from '@polyedge/contracts/interest';
import { assignElementSeq, type Row } from '../src/core/pending.ts';
import { slotOf } from '../src/core/slot.ts';
import type { TenantRows, World } from '../src/core/world.ts';
import type { Item } from '../src/executor/messages.ts';
import type { Journal } from '../src/postgres/journal.ts';
import { blank, type Piece, type Remembered, renumbered } from './moving-model.ts';

/** All that a copy of the database has. */
export interface DatabaseState {
  readonly epoch: string;
  /** By tenant and id. */
  readonly rows: Map<string, Row>;
  readonly keys: Map<string, string>;
  readonly journal: FullChange[];
  readonly slots: number[];
  readonly operations: Map<string, Remembered>;
  readonly lease: Lease;
}

export interface Lease {
  readonly holder: string;
  readonly fence: number;
  readonly until: number;
  readonly publishedSeq: number;
}

export const keyOf = (tenant: string, name: string): string => `${tenant}\0${name}`;

/** Makes a copy that later writes do not change, always the same one. Most copies are never used, so what only grows is copied when it is. */
export function copyOf({ rows, keys, journal, slots, operations, lease, epoch }: DatabaseState): () => DatabaseState {
  const [seq, remembered] = [journal.length, operations.size];
  const copied = { epoch, lease, rows: new Map(rows), keys: new Map(keys) };
  let copy: DatabaseState | undefined;
  return () => {
    copy ??= {
      ...copied,
      journal: journal.slice(0, seq),
      slots: slots.slice(0, seq),
      operations: new Map([...operations].slice(0, remembered)),
    };
    return copy;
  };
}

/** Whether it is the request that is remembered under its operation id. */
export const isSameRequest = ({ tenant, request }: Remembered, item: Item): boolean =>
  tenant === item.tenant && JSON.stringify(request) === JSON.stringify(item.request);

/** The outcome that a request had before; undefined if it had none. */
export function repeatOf({ operations }: DatabaseState, item: Item): MutationOutcome | undefined {
  const known = operations.get(item.request.operationId);
  if (known === undefined || !isSameRequest(known, item)) return undefined;
  return { ok: true, value: { ...known.outcome.value, repeated: true } };
}

/** The living elements of a tenant after these changes, the first of a journal. */
export function livingAt(changes: readonly FullChange[], tenant: string): Element[] {
  const rows = new Map<string, Element>();
  for (const { id, state } of changes) if (state.tenant === tenant) rows.set(id, state);
  return [...rows.values()].filter((row) => !row.deleted);
}

/** Changes of some slots after a seq, in order. */
export function ofSlots(state: DatabaseState, slots: readonly number[], after: number, upTo: number, limit: number): FullChange[] {
  const wanted = new Set(slots);
  const found: FullChange[] = [];
  for (let seq = after + 1; seq <= Math.min(upTo, state.journal.length) && found.length < limit; seq += 1) {
    const change = state.journal[seq - 1];
    if (change !== undefined && change.scope !== 'system' && wanted.has(state.slots[seq - 1] ?? -1)) found.push(change);
  }
  return found;
}

/**
 * The journal as graph-store reads it.
 * @param state the copy that is in use
 * @param check fails when the database cannot be reached
 */
export function journalOf(state: () => DatabaseState, check: () => void): Journal {
  const read = async <T>(make: () => T): Promise<T> => {
    check();
    return make();
  };
  return {
    position: () => read(() => ({ epoch: state().epoch, seq: state().journal.length, oldest: 1 })),
    newest: () => read(() => state().journal.length),
    after: (seq, limit) => read(() => state().journal.slice(seq, seq + limit)),
    bySeq: (seqs) => read(() => [...seqs].sort((one, other) => one - other).flatMap((seq) => state().journal[seq - 1] ?? [])),
    seqsOf: (interests, after, upTo, scan) =>
      read(() => {
        const to = Math.min(upTo, after + scan);
        const matching = state()
          .journal.slice(after, to)
          .filter((change) => change.scope !== 'system' && interests.some((interest) => covers(interest, change)));
        return { seqs: matching.map(({ seq }) => seq), to };
      }),
    ofSlots: (slots, after, upTo, limit) => read(() => ofSlots(state(), slots, after, upTo, limit)),
  };
}

/** Loads what a request needs into the rows of its batch. */
export function loadRows(
  state: DatabaseState,
  rows: TenantRows,
  tenant: string,
  ids: readonly string[],
  adjacency: readonly string[],
  keys: readonly string[],
): void {
  const { rows: stored } = state;
  for (const id of ids) rows.load(id, stored.get(keyOf(tenant, id)));
  for (const vertex of adjacency) {
    const edges = [...stored.values()].filter(
      ({ element: one }) => one.tenant === tenant && !one.deleted && (one.out === vertex || one.in === vertex),
    );
    rows.loadAdjacency(
      vertex,
      edges.map(({ element }) => element.id),
    );
    for (const edge of edges) rows.load(edge.element.id, edge);
  }
  for (const key of keys) rows.loadOwner(key, state.keys.get(keyOf(tenant, key)));
}

/** Writes the rows and unique keys of a batch. @param base the seq before its first change */
export function writeRows(state: DatabaseState, world: World, base: number): void {
  for (const [tenant, rows] of world.tenants()) {
    for (const { row } of rows.finalRows()) {
      const element = assignElementSeq(row.element, base);
      state.rows.set(keyOf(tenant, element.id), { element, uniqueNames: row.uniqueNames });
    }
    const { freed, claimed } = rows.keyChanges();
    for (const key of freed) state.keys.delete(keyOf(tenant, key));
    for (const { key, id } of claimed) state.keys.set(keyOf(tenant, key), id);
  }
}

/** Changes of a tenant after a seq, with what there is of them, in its order. The changes of one request are not divided. */
export function pieceOf(state: DatabaseState, tenant: string, after: number, limit: number): Piece {
  const { journal, rows, operations } = state;
  const piece = { tenant, changes: [] as FullChange[], rows: [] as Row[], operations: new Map<string, Remembered>(), upTo: after };
  for (const change of journal.slice(after)) {
    if (piece.changes.length >= limit && change.first === change.seq) break;
    piece.upTo = change.seq;
    if (change.tenant !== tenant) continue;
    piece.changes.push(change);
    const row = rows.get(keyOf(tenant, change.id));
    if (row?.element.seq === change.seq) piece.rows.push(row);
    const remembered = operations.get(change.operationId);
    if (remembered !== undefined) piece.operations.set(change.operationId, remembered);
  }
  return piece;
}

/**
 * Takes a piece of another journal under numbers of this one. No write of a simulation claims a unique key, so none is taken.
 * @param numbers which number of the other journal became which, of all pieces; those of this one are added
 */
export function arrive(state: DatabaseState, piece: Piece, numbers: Map<number, number>): FullChange[] {
  const { epoch, journal, slots, rows, operations } = state;
  const { tenant, changes, rows: moved, operations: remembered } = renumbered(piece, epoch, journal.length, numbers);
  for (const change of changes) {
    journal.push(change);
    slots.push(slotOf(change.id));
  }
  for (const row of moved) rows.set(keyOf(tenant, row.element.id), row);
  for (const [id, outcome] of remembered) operations.set(id, outcome);
  return [...changes];
}

/** A tenant that has left: its changes keep their numbers and lose their contents. */
export function removed(state: DatabaseState, tenant: string): DatabaseState {
  const { journal, rows } = state;
  for (const [key, { element }] of rows) if (element.tenant === tenant) rows.delete(key);
  // Copies share the journal.
  return { ...state, journal: journal.map((change) => (change.tenant === tenant ? blank(change) : change)) };
}
