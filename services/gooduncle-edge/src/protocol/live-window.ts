/**
 * The window of a live subscription with an order and a limit (protocol page 4.4): takes its changes, keeps spare rows, and tells the client
 * what to do only while the window shows what a read would give.
 */
import type { Element } from '@polyedge/contracts/element';
import { equalJson } from '@polyedge/query/equality';
import type { ResponseMeta } from './envelope.ts';
import { crossingOf, droppedText, type MatchedChange, type QueryView } from './live-event.ts';
import type { Changed, Window } from './window.ts';

/** What a window needs of its subscription. */
export interface WindowOwner {
  readonly options: { readonly throttleMs: number; readonly queryView: QueryView };
  readonly ended: boolean;
  /** Whether the client has so much to read already that what comes now should be merged. */
  readonly congested: boolean;
  tell(payload: string, meta: ResponseMeta, passport: string): void;
  /** Reads rows of the query that reflect at least `atLeast`; the outcome comes to `refill` or `unread`. */
  read(limit: number, atLeast: number): void;
  /** Calls `delivered` when every change up to `seq` has come. */
  whenDelivered(seq: number): void;
  /** Calls `flush` in so many milliseconds at the latest. */
  wake(ms: number): void;
}

/** Changes that may be handled while more rows are read: an answer is not joined to more. */
const MAX_CHANGED = 5000;
/** When spare rows that could not be read are asked for again, and for how long. */
const AGAIN_MS = 500;
const GIVE_UP_MS = 60_000;

export class LiveWindow {
  readonly #owner: WindowOwner;
  readonly #window: Window;
  /** Every change up to here was handled. */
  #handled: number;
  /** The newest commit that the client was told of. */
  #version: number;
  /** The rows are those of a read at this seq, once every change up to it was handled. */
  #at = 0;
  /** The seq that `whenDelivered` was last asked for. */
  #awaited = 0;
  /** The passport of what there is to tell. */
  #passport = '';
  #toldAt = Number.NEGATIVE_INFINITY;
  /** Changes handled since more rows were asked for; undefined when none are. */
  #sinceAsked: Map<string, Changed> | 'too many' | undefined;
  /** Since when more rows could not be read, and when they are asked for again. */
  #failing: { readonly since: number; again: number } | undefined;

  /** @param seq of the read that the window's rows are from */
  constructor(owner: WindowOwner, window: Window, seq: number) {
    this.#owner = owner;
    this.#window = window;
    this.#handled = seq;
    this.#version = seq;
  }

  /** A change, in the order of seq; one that was handled before is left out. */
  change(matched: MatchedChange, passport: string, at: number): void {
    const { projection } = this.#owner.options.queryView;
    const { change } = matched;
    if (change.seq <= this.#handled) return;
    this.#handled = change.seq;
    const { before, after, was, is } = crossingOf(matched);
    if (!is && !was) return;
    const stays = is && was && before !== undefined && after !== undefined;
    const differs = !(stays && equalJson(projection.resource(before), projection.resource(after)));
    this.#window.change(change.id, is ? after : undefined, {
      created: before === undefined,
      deleted: after === undefined ? { ...(before ?? change.state), seq: change.seq } : undefined,
      row: change.state,
      differs,
    });
    if (this.#sinceAsked instanceof Map) {
      this.#sinceAsked.set(change.id, { seq: change.seq, row: is ? after : undefined });
      if (this.#sinceAsked.size > MAX_CHANGED) this.#sinceAsked = 'too many';
    }
    this.#show(change.last, passport, at);
  }

  /** Rows that were asked for. */
  refill(rows: readonly Element[], more: boolean, seq: number, passport: string, at: number): void {
    const changed = this.#sinceAsked;
    if (changed === undefined) return;
    this.#sinceAsked = undefined;
    this.#failing = undefined;
    // An answer that cannot be joined to what was heard since is no use: the next one may be.
    if (changed === 'too many') {
      this.keepFull();
      return;
    }
    this.#window.refill(rows, !more, seq, changed);
    // The answer may be ahead of the events.
    this.#show(seq, passport, at);
  }

  /** Rows could not be read now. @returns whether that is no reason to end: it has shown what it began with, and asks again */
  unread(at: number): boolean {
    this.#failing ??= { since: at, again: at };
    if (at - this.#failing.since > GIVE_UP_MS) return false;
    this.#failing.again = at + AGAIN_MS;
    this.#owner.wake(AGAIN_MS);
    return true;
  }

  /** What `whenDelivered` was asked for has come. */
  delivered(at: number): void {
    this.#handled = Math.max(this.#handled, this.#awaited);
    this.#tell(at);
  }

  /** Tells what waits and is due. @returns milliseconds until something that only waits for its time is due, or undefined */
  flush(passport: string, at: number): number | undefined {
    this.#askAgain(at);
    this.#passport = passport;
    this.#tell(at);
    if (!this.#window.dirty || this.#owner.congested || !this.#isExact()) return undefined;
    return Math.max(1, this.#toldAt + this.#owner.options.throttleMs - at);
  }

  /** Asks for spare rows before they are needed. */
  keepFull(): void {
    if (!this.#window.thin || this.#sinceAsked !== undefined || this.#owner.ended) return;
    this.#sinceAsked = new Map();
    this.#owner.read(this.#window.capacity, this.#handled);
  }

  #show(seq: number, passport: string, at: number): void {
    this.#version = Math.max(this.#version, seq);
    this.#at = Math.max(this.#at, seq);
    this.#passport = passport;
    this.#tell(at);
    this.keepFull();
  }

  /**
   * Whether the window shows what a read gives: it has as many rows as it should, and holds no half of a commit and nothing from an answer
   * that is ahead of the events. Otherwise what makes it exact is on its way.
   */
  #isExact(): boolean {
    if (this.#window.short) return false;
    if (this.#at <= this.#handled) return true;
    if (this.#awaited < this.#at) {
      this.#awaited = this.#at;
      this.#owner.whenDelivered(this.#at);
    }
    return false;
  }

  #tell(at: number): void {
    const { ended, congested, options } = this.#owner;
    if (ended || !this.#window.dirty || congested || !this.#isExact()) return;
    const waitMs = this.#toldAt + options.throttleMs - at;
    if (waitMs > 0) {
      this.#owner.wake(waitMs);
      return;
    }
    const { projection } = options.queryView;
    const steps = this.#window.tell();
    if (steps.length > 0) this.#toldAt = at;
    for (const { event, row, position } of steps) {
      const payload = event === 'match dropped' ? droppedText(row, projection) : JSON.stringify(projection.resource(row));
      this.#owner.tell(payload, { event, version: this.#version, position }, this.#passport);
    }
  }

  #askAgain(at: number): void {
    const failing = this.#failing;
    if (failing === undefined || failing.again === Number.POSITIVE_INFINITY) return;
    if (failing.again > at) {
      this.#owner.wake(failing.again - at);
      return;
    }
    failing.again = Number.POSITIVE_INFINITY;
    this.#owner.read(this.#window.capacity, this.#handled);
  }
}
