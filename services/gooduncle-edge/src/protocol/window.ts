/**
 * The rows of a subscription with an order and a limit (protocol page 4.4): those that are shown, and spare ones behind them, so that a row
 * which leaves is followed by the next without asking the store.
 */
import type { Element } from '@polyedge/contracts/element';
import type { EventName, RowPosition } from './envelope.ts';

/** What the client has to do to its list to have what the window shows. */
export interface WindowStep {
  readonly event: Exclude<EventName, 'original match'>;
  /** As it is now; of a deleted row, its last state. */
  readonly row: Element;
  readonly position: RowPosition;
}

/** How a row that the client has to be told of came or went since it was last told. */
export interface Note {
  /** It did not exist before. */
  readonly created: boolean;
  /** Its last living state, if it is gone. */
  readonly deleted: Element | undefined;
  /** Its newest state, also where it is no longer one of the window's. */
  readonly row: Element;
  /** Something that the client can see has changed. */
  readonly differs: boolean;
}

/** The newest change of a row since more rows were asked for. */
export interface Changed {
  readonly seq: number;
  /** Its state after, if it is one of the query's then. */
  readonly row: Element | undefined;
}

interface Noted extends Note {
  /** Its last state before it was deleted and made again; undefined where that did not happen. */
  readonly gone: Element | undefined;
}

export class Window {
  readonly limit: number;
  readonly #compare: (left: Element, right: Element) => number;
  /** In order; the first `limit` are shown. */
  #rows: Element[];
  /** There is no row of the query behind the last of these. */
  #complete: boolean;
  /** What the client has. */
  #told: Element[];
  readonly #notes = new Map<string, Noted>();

  /** @param rows the first of the query in order, at most `limit` and the spare ones; @param complete whether they are all */
  constructor(limit: number, compare: (left: Element, right: Element) => number, rows: readonly Element[], complete: boolean) {
    this.limit = limit;
    this.#compare = compare;
    this.#rows = [...rows];
    this.#complete = complete;
    this.#told = this.#rows.slice(0, limit);
  }

  /** How many rows are kept at most. */
  get capacity(): number {
    return this.limit * 2;
  }

  /** What is shown. */
  get shown(): readonly Element[] {
    return this.#rows.slice(0, this.limit);
  }

  /** So few spare rows are left that the store has to be asked for more. */
  get thin(): boolean {
    return !this.#complete && this.#rows.length < this.limit + Math.ceil(this.limit / 2);
  }

  /** Fewer rows are known than are to be shown, although there may be more: it shows nothing that a read would give. */
  get short(): boolean {
    return !this.#complete && this.#rows.length < this.limit;
  }

  /** Whether the client has to be told something. */
  get dirty(): boolean {
    return this.#notes.size > 0;
  }

  /**
   * A change of one row.
   * @param row its state after if it is one of the query's then; @param note what the client may have to be told
   */
  change(id: string, row: Element | undefined, note: Note): void {
    const known = this.#rows.findIndex((one) => one.id === id);
    const kept = this.#rows[known];
    // Asking for spare rows brought a newer state already.
    if (kept !== undefined && kept.seq >= note.row.seq) return;
    const wasTold = this.#told.some((one) => one.id === id);
    if (known !== -1) this.#rows.splice(known, 1);
    if (row !== undefined) this.#insert(row);
    if (wasTold || this.#rows.some((one) => one.id === id)) this.#note(id, note);
  }

  /**
   * More rows from the store, as they were at `seq`. Where an answer and what is known here differ, the changes between the two were
   * handled already or are still to come: known rows stay as they are.
   * @param changed rows that changes which were handled meanwhile were about: their newest state, if they are still the query's
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
    // What came to stand behind the last known row when it changed was not taken in then, and the answer is too old to have it.
    for (const { row, seq: changedAt } of changed.values()) {
      if (row === undefined || changedAt <= seq) continue;
      const at = this.#place(row);
      if (at < this.#rows.length || complete) add(row, at);
    }
    this.#trim();
  }

  /** What the client has to do, in order; it has done it then. */
  tell(): readonly WindowStep[] {
    const steps: WindowStep[] = [];
    const now = this.shown;
    const staying = new Set(now.map(({ id }) => id));
    const list = [...this.#told];
    for (let at = 0; at < list.length; ) {
      const row = list[at];
      const note = row === undefined ? undefined : this.#notes.get(row.id);
      // One that was made again under its id is another one.
      if (row === undefined || (staying.has(row.id) && note?.gone === undefined)) {
        at += 1;
        continue;
      }
      const deleted = note?.gone ?? note?.deleted;
      const event = deleted === undefined ? 'match dropped' : 'match deleted';
      // A row that went only by its rank is still among the spare ones, or was known a moment ago.
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
        // The changed row moves, not those that it passes.
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
    this.#told = [...now];
    this.#notes.clear();
    return steps;
  }

  #insert(row: Element): void {
    const at = this.#place(row);
    // Behind the last known row there may be others that come first.
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
    // Of rows that came and went while nothing was told.
    const kept = new Set([...this.#told, ...this.#rows].map((row) => row.id));
    for (const noted of this.#notes.keys()) if (!kept.has(noted)) this.#notes.delete(noted);
  }
}
