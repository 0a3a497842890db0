/**
 * Changes as they happen: one feed of the tenant while there are readers, shared by all of them. Each reader gets the rows that match its
 * filter, at a limited rate; omitted rows are counted. While no reader can take another row, the feed is closed until the next second.
 */
import type { FullChange } from '@polyedge/contracts/change';
import type { Feed } from '@polyedge/edge-kit/feed/watch';
import type { Json } from '@polyedge/query/json';
import { eventText } from './event-text.ts';

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
  /** @param event its row as a server-sent event, the same text for every reader */
  change(seq: number, event: string): void;
  /** The reader is live from this seq on; earlier changes are not in the tail. Called again after the feed was lost. */
  live(seq: number): void;
  /** At most so many changes were left out. */
  skipped(count: number): void;
}

/** Rows that a reader gets at once after a quiet time. */
const BURST_ROWS = 200;
/** Rows that it gets in each second while there are more: nobody reads faster. */
const ROWS_PER_SECOND = 25;
const RETRY_MS = 500;
const MAX_TEXT = 200;
const MAX_CHANGED = 12;
/** Attributes in which protocols store an element's name. */
const NAMES = ['ogit/name', 'name', 'title', 'displayName', 'username'];

interface ReaderState {
  isLive: boolean;
  /** Rows that it may still get in this second. */
  rowsLeft: number;
  skipped: number;
}

type TailFeed = Pick<Feed, 'watch'> & { close(): void };

export class Tail {
  readonly #openFeed: () => TailFeed;
  readonly #tenant: string;
  readonly #traceparent: () => string | undefined;
  readonly #readers = new Map<TailReader, ReaderState>();
  /** Open while a reader can take a row. */
  #feed: TailFeed | undefined;
  #isLive = false;
  /** Up to here, changes were passed to the readers or left out. Undefined until the feed is live for the first time, and after a loss. */
  #reached: number | undefined;
  #epoch = '';
  #retry: NodeJS.Timeout | undefined;

  /**
   * @param openFeed called with the first reader, and after each pause; the feed is closed with the last reader, and for a pause
   * @param traceparent returns the W3C trace context of the current span
   */
  constructor(openFeed: () => TailFeed, tenant: string, traceparent: () => string | undefined = () => undefined) {
    this.#openFeed = openFeed;
    this.#tenant = tenant;
    this.#traceparent = traceparent;
  }

  /** Adds a reader; the returned function removes it. */
  read(reader: TailReader): () => void {
    const state = { isLive: this.#isLive, rowsLeft: BURST_ROWS, skipped: 0 };
    this.#readers.set(reader, state);
    if (this.#isLive && this.#reached !== undefined) reader.live(this.#reached);
    else this.#begin();
    return () => {
      this.#readers.delete(reader);
      if (this.#readers.size === 0) this.#end();
    };
  }

  /** Once a second: each reader may get more rows. */
  tick(): void {
    for (const [reader, state] of this.#readers) {
      if (state.skipped > 0) reader.skipped(state.skipped);
      state.skipped = 0;
      state.rowsLeft = Math.min(BURST_ROWS, state.rowsLeft + ROWS_PER_SECOND);
    }
    if (this.#readers.size > 0) this.#begin();
  }

  close(): void {
    this.#readers.clear();
    this.#end();
  }

  /** Unless it has begun, or waits to begin again after a loss. */
  #begin(): void {
    if (this.#feed !== undefined || this.#retry !== undefined) return;
    this.#feed = this.#openFeed();
    this.#feed.watch(
      { tenant: this.#tenant },
      {
        live: (seq, epoch) => this.#becomeLive(seq, epoch),
        change: (change) => this.#deliver(change),
        lost: () => {
          this.#pause();
          this.#forget();
          this.#retry = setTimeout(() => {
            this.#retry = undefined;
            this.#begin();
          }, RETRY_MS);
        },
      },
    );
  }

  #pause(): void {
    this.#feed?.close();
    this.#feed = undefined;
    this.#isLive = false;
  }

  #end(): void {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    this.#pause();
    this.#forget();
  }

  /** Where the readers are is worth nothing any more: they begin again. */
  #forget(): void {
    this.#reached = undefined;
    for (const state of this.#readers.values()) state.isLive = false;
  }

  #becomeLive(seq: number, epoch: string): void {
    // After a pause it may be another one: a backup was restored, or the tenant was moved.
    if (epoch !== this.#epoch) this.#forget();
    this.#epoch = epoch;
    this.#isLive = true;
    // What came during a pause was not received. Some of it may belong to other tenants, or not fit a filter.
    const left = Math.max(0, seq - (this.#reached ?? seq));
    this.#reached = seq;
    for (const [reader, state] of this.#readers) {
      if (state.isLive) state.skipped += left;
      else {
        state.isLive = true;
        reader.live(seq);
      }
    }
  }

  #deliver(change: FullChange): void {
    this.#reached = change.seq;
    let event: string | undefined;
    let isFull = true;
    for (const [reader, state] of this.#readers) {
      if (fits(change, reader.filter) && reader.maySee(change)) {
        if (state.rowsLeft === 0) state.skipped += 1;
        else {
          state.rowsLeft -= 1;
          event ??= eventText('change', rowOf(change, this.#traceparent()?.split('-')[1]));
          reader.change(change.seq, event);
        }
      }
      isFull &&= state.rowsLeft === 0;
    }
    // Nobody can take more in this second, so nothing more is received, not even heads: what a tail costs does not grow with the traffic.
    if (isFull) this.#pause();
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
