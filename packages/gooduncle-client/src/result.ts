/** The rows of one subscription, kept current by its events. */
import { type Compare, compareBy, type Row } from './order.ts';
import type { RowChange } from './types.ts';
import type { EventName, Position } from './wire.ts';

export interface Shape {
  readonly sort: readonly string[] | undefined;
  readonly limit: number | undefined;
}

/** Uses the server's positions if there are any; without a limit the rows are kept in the order of `sort`, or of their ids. */
export class LiveResult {
  readonly #compare: Compare | undefined;
  readonly #rows: Row[] = [];
  readonly #byId = new Map<string, Row>();

  constructor({ sort, limit }: Shape) {
    this.#compare = limit === undefined ? compareBy(sort ?? []) : undefined;
  }

  get rows(): readonly Row[] {
    return this.#rows;
  }

  /**
   * @param again the event may have been applied before, as when a subscription resumes: it contains the current row, whatever the rows are
   * @returns undefined if the event does not fit the rows: an event was missed, and the rows must be read again
   */
  apply(event: EventName, row: Row, position: Position | undefined, again?: boolean): RowChange<Row> | undefined {
    const known = this.#byId.get(row.id);
    const enters = event === 'original match' || event === 'match created' || event === 'match added';
    if (!again && enters !== (known === undefined)) return undefined;
    let from: number | null = null;
    if (known !== undefined) {
      from = this.#compare === undefined ? (position?.from ?? -1) : this.#place(known, this.#compare);
      if (this.#rows[from] !== known) return undefined;
      this.#rows.splice(from, 1);
      this.#byId.delete(row.id);
    }
    if (event === 'match dropped' || event === 'match deleted') return { event: wordOf(event), row, from, to: null };
    const to = this.#compare === undefined ? (position?.to ?? -1) : this.#place(row, this.#compare);
    if (to < 0 || to > this.#rows.length) return undefined;
    this.#rows.splice(to, 0, row);
    this.#byId.set(row.id, row);
    return { event: wordOf(event), row, from, to };
  }

  #place(row: Row, compare: Compare): number {
    let low = 0;
    let high = this.#rows.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = this.#rows[middle];
      if (other !== undefined && compare(other, row) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

const WORDS: Readonly<Record<EventName, RowChange<Row>['event']>> = {
  'original match': 'added',
  'match created': 'created',
  'match added': 'added',
  'match modified': 'modified',
  'match dropped': 'dropped',
  'match deleted': 'deleted',
};

const wordOf = (event: EventName): RowChange<Row>['event'] => WORDS[event];
