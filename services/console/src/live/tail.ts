/**
 * Changes as they happen: one watch of the tenant while there are readers, shared by all of them. Each reader gets the rows that match its
 * filter, at a limited rate; omitted rows are counted.
 */
import type { FullChange } from '@polyedge/contracts/change';
import type { Feed, Watch } from '@polyedge/edge-kit/feed/watch';
import type { Json } from '@polyedge/query/json';

/** A row of the tail; the states are fetched when it is opened. */
export interface TailRow {
  readonly seq: number;
  readonly on: number;
  readonly id: string;
  readonly type: string;
  readonly kind: 'vertex' | 'edge';
  readonly action: string;
  readonly version: number;
  readonly by: string;
  readonly app: string;
  readonly protocol: string;
  readonly operation: string;
  /** The element's name, if one of its attributes contains it. */
  readonly name?: string;
  /** The first few attributes that differ from the state before. */
  readonly changed: readonly string[];
  /** The trace that the change belongs to, if tracing is on. */
  readonly trace?: string;
}

export interface TailFilter {
  readonly type?: string | undefined;
  readonly id?: string | undefined;
  readonly protocol?: string | undefined;
  readonly actor?: string | undefined;
}

export interface TailReader {
  readonly filter: TailFilter;
  /** Whether this reader may see elements of a scope. */
  maySee(change: FullChange): boolean;
  row(row: TailRow): void;
  /** The watch is live from this seq on; earlier changes are not in the tail. */
  live(seq: number): void;
  skipped(count: number): void;
}

const ROWS_PER_SECOND = 100;
const RETRY_MS = 500;
const MAX_TEXT = 200;
const MAX_CHANGED = 12;
/** Attributes in which protocols store an element's name. */
const NAMES = ['ogit/name', 'name', 'title', 'displayName', 'username'];

export class Tail {
  readonly #feed: Feed;
  readonly #tenant: string;
  readonly #traceparent: () => string | undefined;
  readonly #readers = new Map<TailReader, { rows: number; skipped: number }>();
  #watch: Watch | undefined;
  #live: number | undefined;
  #retry: NodeJS.Timeout | undefined;

  /** @param traceparent returns the W3C trace context of the current span */
  constructor(feed: Feed, tenant: string, traceparent: () => string | undefined = () => undefined) {
    this.#feed = feed;
    this.#tenant = tenant;
    this.#traceparent = traceparent;
  }

  /** Adds a reader; the returned function removes it. */
  read(reader: TailReader): () => void {
    this.#readers.set(reader, { rows: 0, skipped: 0 });
    if (this.#watch === undefined) this.#begin();
    else if (this.#live !== undefined) reader.live(this.#live);
    return () => {
      this.#readers.delete(reader);
      if (this.#readers.size === 0) this.#end();
    };
  }

  /** Once a second: sends each reader its next rows. */
  tick(): void {
    for (const [reader, spent] of this.#readers) {
      if (spent.skipped > 0) reader.skipped(spent.skipped);
      spent.rows = 0;
      spent.skipped = 0;
    }
  }

  close(): void {
    this.#readers.clear();
    this.#end();
  }

  #begin(): void {
    this.#watch = this.#feed.watch(
      { tenant: this.#tenant },
      {
        live: (seq) => {
          this.#live = seq;
          for (const reader of this.#readers.keys()) reader.live(seq);
        },
        change: (change) => this.#deliver(change),
        lost: () => {
          this.#live = undefined;
          this.#retry = setTimeout(() => this.#begin(), RETRY_MS);
        },
      },
    );
  }

  #end(): void {
    clearTimeout(this.#retry);
    this.#watch?.close();
    this.#watch = undefined;
    this.#live = undefined;
  }

  #deliver(change: FullChange): void {
    let row: TailRow | undefined;
    for (const [reader, spent] of this.#readers) {
      if (!fits(change, reader.filter) || !reader.maySee(change)) continue;
      if (spent.rows >= ROWS_PER_SECOND) {
        spent.skipped += 1;
        continue;
      }
      spent.rows += 1;
      row ??= rowOf(change, this.#traceparent()?.split('-')[1]);
      reader.row(row);
    }
  }
}

/** Texts match regardless of case; types also match in part. */
export function fits(change: Pick<FullChange, 'type' | 'id' | 'by' | 'app' | 'origin'>, filter: TailFilter): boolean {
  const has = (text: string, wanted: string | undefined) =>
    wanted === undefined || wanted === '' || text.toLowerCase().includes(wanted.toLowerCase());
  return (
    has(change.type, filter.type) &&
    has(change.id, filter.id) &&
    (filter.protocol === undefined || filter.protocol === '' || change.origin.protocol === filter.protocol) &&
    (has(change.by, filter.actor) || has(change.app, filter.actor))
  );
}

export function rowOf(change: FullChange, trace?: string): TailRow {
  const { seq, on, id, type, kind, action, version, by, app, origin, state, undo } = change;
  const name = nameOf(state.attributes);
  const changed = undo.fresh === true ? [] : [...new Set([...Object.keys(undo.set), ...undo.unset])].slice(0, MAX_CHANGED);
  return {
    ...{ seq, on, id, type, kind, action, version, by, app },
    protocol: origin.protocol,
    operation: origin.operation,
    ...(name === undefined ? {} : { name }),
    changed: changed.map((attribute) => attribute.slice(0, MAX_TEXT)),
    ...(trace === undefined ? {} : { trace }),
  };
}

/** The element's name, if one of its attributes contains it. */
export function nameOf(attributes: Readonly<Record<string, Json>>): string | undefined {
  for (const name of NAMES) {
    const value = Object.hasOwn(attributes, name) ? attributes[name] : undefined;
    if (typeof value === 'string' && value !== '') return value.slice(0, MAX_TEXT);
  }
  return undefined;
}
