/**
 * The rows of a subscription with an order and a limit (protocol page 4.4): the shown rows, and spare ones after them, so that a row that
 * leaves is replaced by the next one without querying the store.
 */
import type { Element } from '@polyedge/contracts/element';
import type { EventName, RowPosition } from './envelope.ts';

/** One step by which the client updates its list to the window. */
export interface WindowStep {
  readonly event: Exclude<EventName, 'original match'>;
  /** Its current state; for a deleted row, the last one. */
  readonly row: Element;
  readonly position: RowPosition;
}

/** What happened to a row since the client was last updated. */
export interface Note {
  /** It did not exist before. */
  readonly created: boolean;
  /** Its last living state, if it is gone. */
  readonly deleted: Element | undefined;
  /** Its newest state, even if it is no longer in the window. */
  readonly row: Element;
  /** A visible field has changed. */
  readonly differs: boolean;
}

/** The newest change of a row since more rows were requested. */
export interface Changed {
  readonly seq: number;
  /** Its state after, if the query then selects it. */
  readonly row: Element | undefined;
}

interface Noted extends Note {
  /** Its last state before it was deleted and created again; undefined if that did not happen. */
  readonly gone: Element | undefined;
}

export class Window {
  readonly limit: number;
  readonly #compare: (left: Element, right: Element) => number;
  /** In order; the first `limit` are shown. */
  #rows: Element[];
  /** The query has no row after the last of these. */
  #complete: boolean;
  /** The client's rows. */
  #sent: Element[];
  readonly #notes = new Map<string, Noted>();

  /**
   * @param rows the first of the query in order, at most `limit` and the spare ones
   * @param complete whether these are all rows
   */
  constructor(limit: number, compare: (left: Element, right: Element) => number, rows: readonly Element[], complete: boolean) {
    this.limit = limit;
    this.#compare = compare;
    this.#rows = [...rows];
    this.#complete = complete;
    this.#sent = this.#rows.slice(0, limit);
  }

  /** Maximum number of rows kept. */
  get capacity(): number {
    return this.limit * 2;
  }

  /** The rows that the client should have. */
  get shown(): readonly Element[] {
    return this.#rows.slice(0, this.limit);
  }

  /** Whether so few spare rows are left that more must be read. */
  get thin(): boolean {
    return !this.#complete && this.#rows.length < this.limit + Math.ceil(this.limit / 2);
  }

  /** Whether fewer rows are known than should be shown, although there may be more: the window then does not equal the result of a read. */
  get short(): boolean {
    return !this.#complete && this.#rows.length < this.limit;
  }

  /** Whether the client must be updated. */
  get dirty(): boolean {
    return this.#notes.size > 0;
  }

  /**
   * Applies a change of one row.
   * @param row its state after, if the query then selects it
   * @param note what may have to be sent to the client
   */
  change(id: string, row: Element | undefined, note: Note): void {
    const known = this.#rows.findIndex((one) => one.id === id);
    const kept = this.#rows[known];
    // A read of spare rows has already returned a newer state.
    if (kept !== undefined && kept.seq >= note.row.seq) return;
    const wasSent = this.#sent.some((one) => one.id === id);
    if (known !== -1) this.#rows.splice(known, 1);
    if (row !== undefined) this.#insert(row);
    if (wasSent || this.#rows.some((one) => one.id === id)) this.#note(id, note);
  }

  /**
   * Adds rows from the store, as of `seq`. Where they differ from the known rows, the changes in between were applied already or will
   * follow, so known rows stay as they are.
   * @param changed rows of the changes applied since: their newest state, if the query still selects them
   */
  refill(rows: readonly Element[], complete: boolean, seq: number, changed: ReadonlyMap<string, Changed>): void {
    this.#complete = complete;
    const known = new Set(this.#rows.map(({ id }) => id));
    const add = (row: Element, at: number): void => {
      if (known.has(row.id)) return;
      this.#rows.splice(at, 0, row);
      this.#note(row.id, { created: false, deleted: undefined, row, differs: true });
    };
    for (const row of rows) if ((changed.get(row.id)?.seq ?? 0) <= seq) add(row, this.#place(row));
    // A row that moved behind the last known row was removed then, and the answer may be too old to include it.
    for (const { row, seq: changedAt } of changed.values()) {
      if (row === undefined || changedAt <= seq) continue;
      const at = this.#place(row);
      if (at < this.#rows.length || complete) add(row, at);
    }
    this.#trim();
  }

  /** The steps that update the client, in order; afterwards the client counts as updated. */
  takeSteps(): readonly WindowStep[] {
    const steps: WindowStep[] = [];
    const now = this.shown;
    const staying = new Set(now.map(({ id }) => id));
    const list = [...this.#sent];
    for (let at = 0; at < list.length; ) {
      const row = list[at];
      const note = row === undefined ? undefined : this.#notes.get(row.id);
      // A row created again under the same id counts as a new row.
      if (row === undefined || (staying.has(row.id) && note?.gone === undefined)) {
        at += 1;
        continue;
      }
      const deleted = note?.gone ?? note?.deleted;
      const event = deleted === undefined ? 'match dropped' : 'match deleted';
      // A row that left only by its rank is still among the spare ones, or was known before.
      const last = deleted ?? note?.row ?? this.#rows.find(({ id }) => id === row.id) ?? row;
      steps.push({ event, row: last, position: { from: at, to: null } });
      list.splice(at, 1);
    }
    const moved = new Set<string>();
    for (let at = 0; at < now.length; ) {
      const row = now[at];
      if (row === undefined) break;
      const from = list.findIndex(({ id }) => id === row.id);
      const note = this.#notes.get(row.id);
      if (from === -1) {
        const created = note?.created === true;
        steps.push({ event: created ? 'match created' : 'match added', row, position: { from: null, to: at } });
        list.splice(at, 0, row);
      } else if (from !== at) {
        // The changed row moves, not the rows that it passes.
        const here = list[at];
        const target = here === undefined ? -1 : now.findIndex(({ id }) => id === here.id);
        if (here !== undefined && target > at && this.#notes.has(here.id) && note === undefined && !moved.has(here.id)) {
          moved.add(here.id);
          const to = Math.min(target, list.length - 1);
          const newest = now[target] ?? here;
          list.splice(at, 1);
          list.splice(to, 0, newest);
          steps.push({ event: 'match modified', row: newest, position: { from: at, to } });
          continue;
        }
        steps.push({ event: 'match modified', row, position: { from, to: at } });
        list.splice(from, 1);
        list.splice(at, 0, row);
        moved.add(row.id);
      } else if (note?.differs === true && !moved.has(row.id)) {
        steps.push({ event: 'match modified', row, position: { from: at, to: at } });
      }
      at += 1;
    }
    this.#sent = [...now];
    this.#notes.clear();
    return steps;
  }

  #insert(row: Element): void {
    const at = this.#place(row);
    // Unknown rows behind the last known one may precede it.
    if (at === this.#rows.length && !this.#complete) return;
    this.#rows.splice(at, 0, row);
    this.#trim();
  }

  #trim(): void {
    if (this.#rows.length <= this.capacity) return;
    this.#rows.length = this.capacity;
    this.#complete = false;
  }

  #place(row: Element): number {
    let low = 0;
    let high = this.#rows.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = this.#rows[middle];
      if (other !== undefined && this.#compare(other, row) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #note(id: string, next: Note): void {
    const earlier = this.#notes.get(id);
    this.#notes.set(id, {
      created: next.deleted === undefined && (next.created || earlier?.created === true),
      deleted: next.deleted,
      row: next.row,
      differs: next.differs || earlier?.differs === true,
      gone: earlier?.gone ?? (next.created ? earlier?.deleted : undefined),
    });
    if (this.#notes.size <= this.capacity * 4 + 16) return;
    // For rows that came and went between two updates.
    const kept = new Set([...this.#sent, ...this.#rows].map((row) => row.id));
    for (const noted of this.#notes.keys()) if (!kept.has(noted)) this.#notes.delete(noted);
  }
}
