/**
 * The window of a live subscription with an order and a limit (protocol page 4.4): applies its changes, keeps spare rows, and sends events
 * to the client only while the window equals the result of a read.
 */
import type { Element } from '@polyedge/contracts/element';
import { equalJson } from '@polyedge/query/equality';
import type { ResponseMeta } from './envelope.ts';
import { crossingOf, droppedText, type MatchedChange, type QueryView } from './live-event.ts';
import type { Changed, Window } from './window.ts';

/** The owning subscription, as its window sees it. */
export interface WindowOwner {
  readonly options: { readonly throttleMs: number; readonly queryView: QueryView };
  readonly ended: boolean;
  /** Whether the client has so much unread data that new events should be merged. */
  readonly congested: boolean;
  emit(payload: string, meta: ResponseMeta, passport: string): void;
  /** Reads rows of the query that reflect at least `atLeast`; the outcome is passed to `refill` or `unread`. */
  read(limit: number, atLeast: number): void;
  /** Calls `delivered` when every change up to `seq` was delivered. */
  whenDelivered(seq: number): void;
  /** Calls `flush` within `ms` milliseconds. */
  wake(ms: number): void;
}

/** Maximum number of changes during a read of more rows; with more, its answer is not merged. */
const MAX_CHANGED = 5000;
/** Interval and time limit of retrying failed reads of spare rows. */
const AGAIN_MS = 500;
const GIVE_UP_MS = 60_000;

export class LiveWindow {
  readonly #owner: WindowOwner;
  readonly #window: Window;
  /** Every change up to here was applied. */
  #handled: number;
  /** The newest commit sent to the client. */
  #version: number;
  /** The rows reflect a read at this seq, once every change up to it is applied. */
  #at = 0;
  /** The last seq passed to `whenDelivered`. */
  #awaited = 0;
  /** The passport of the pending events. */
  #passport = '';
  #toldAt = Number.NEGATIVE_INFINITY;
  /** Changes applied since more rows were requested; undefined if no read is in progress. */
  #sinceRequested: Map<string, Changed> | 'too many' | undefined;
  /** When reading more rows began to fail, and when it is retried. */
  #failing: { readonly since: number; again: number } | undefined;

  /** @param seq of the read that returned the window's rows */
  constructor(owner: WindowOwner, window: Window, seq: number) {
    this.#owner = owner;
    this.#window = window;
    this.#handled = seq;
    this.#version = seq;
  }

  /** Applies a change, in the order of seq; ignores one that was applied before. */
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
    if (this.#sinceRequested instanceof Map) {
      this.#sinceRequested.set(change.id, { seq: change.seq, row: is ? after : undefined });
      if (this.#sinceRequested.size > MAX_CHANGED) this.#sinceRequested = 'too many';
    }
    this.#show(change.last, passport, at);
  }

  /** The requested rows. */
  refill(rows: readonly Element[], more: boolean, seq: number, passport: string, at: number): void {
    const changed = this.#sinceRequested;
    if (changed === undefined) return;
    this.#sinceRequested = undefined;
    this.#failing = undefined;
    // The answer cannot be merged with the changes since; a new one is requested.
    if (changed === 'too many') {
      this.keepFull();
      return;
    }
    this.#window.refill(rows, !more, seq, changed);
    // The answer may be ahead of the events.
    this.#show(seq, passport, at);
  }

  /**
   * A read of rows failed.
   * @returns whether the subscription can continue: it has sent its first rows, and retries
   */
  unread(at: number): boolean {
    this.#failing ??= { since: at, again: at };
    if (at - this.#failing.since > GIVE_UP_MS) return false;
    this.#failing.again = at + AGAIN_MS;
    this.#owner.wake(AGAIN_MS);
    return true;
  }

  /** The changes requested by `whenDelivered` were delivered. */
  delivered(at: number): void {
    this.#handled = Math.max(this.#handled, this.#awaited);
    this.#sendSteps(at);
  }

  /**
   * Sends pending events that are due.
   * @returns milliseconds until the next pending event is due, or undefined
   */
  flush(passport: string, at: number): number | undefined {
    this.#requestAgain(at);
    this.#passport = passport;
    this.#sendSteps(at);
    if (!this.#window.dirty || this.#owner.congested || !this.#isExact()) return undefined;
    return Math.max(1, this.#toldAt + this.#owner.options.throttleMs - at);
  }

  /** Requests spare rows before they are needed. */
  keepFull(): void {
    if (!this.#window.thin || this.#sinceRequested !== undefined || this.#owner.ended) return;
    this.#sinceRequested = new Map();
    this.#owner.read(this.#window.capacity, this.#handled);
  }

  #show(seq: number, passport: string, at: number): void {
    this.#version = Math.max(this.#version, seq);
    this.#at = Math.max(this.#at, seq);
    this.#passport = passport;
    this.#sendSteps(at);
    this.keepFull();
  }

  /**
   * Whether the window equals the result of a read: it has as many rows as it should, no partial commit, and no answer that is ahead of the
   * events. Otherwise what makes it exact was already requested.
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

  #sendSteps(at: number): void {
    const { ended, congested, options } = this.#owner;
    if (ended || !this.#window.dirty || congested || !this.#isExact()) return;
    const waitMs = this.#toldAt + options.throttleMs - at;
    if (waitMs > 0) {
      this.#owner.wake(waitMs);
      return;
    }
    const { projection } = options.queryView;
    const steps = this.#window.takeSteps();
    if (steps.length > 0) this.#toldAt = at;
    for (const { event, row, position } of steps) {
      const payload = event === 'match dropped' ? droppedText(row, projection) : JSON.stringify(projection.resource(row));
      this.#owner.emit(payload, { event, version: this.#version, position }, this.#passport);
    }
  }

  #requestAgain(at: number): void {
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
