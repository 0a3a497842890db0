/** Requests that wait to be sent or answered, in order. */
import type { Row } from './order.ts';
import type { Failure } from './types.ts';

/** `login`: an upgrade that is repeated after a reconnection. */
export type RequestKind =
  | 'login'
  | 'upgrade'
  | 'downgrade'
  | 'create'
  | 'read'
  | 'count'
  | 'update'
  | 'delete'
  | 'subscribe'
  | 'unsubscribe';

export interface QueuedRequest {
  readonly kind: RequestKind;
  /** The caller's id of it. */
  readonly id: number;
  readonly order: number;
  /** Identifies its answers. */
  readonly ref: string;
  /** JSON text of the request. */
  text: string;
  /** When it times out. */
  readonly deadline: number;
  /** Whether repeating it is harmless. */
  readonly repeatable: boolean;
  notBefore: number;
  /** Number of `error` answers. */
  failures: number;
  /** It was sent on a connection that ended before the answer. */
  uncertain: boolean;
  /** The login at the time of the first sending, and this time. */
  sentAs: string | undefined;
  sentAt: number;
  /** Rows of a read received so far. */
  rows: Row[];
  /** The reason of the last refusal. */
  refused: Failure | undefined;
}

/** Maximum waiting requests; further ones are refused, so that a program that sends faster than it is answered does not fill the memory. */
const MAX_WAITING = 1000;
const MAX_UNANSWERED = 32;
/** The server resets its count of excess requests after a second without one. */
const PAUSE_MS = 1100;
const LONGEST_PAUSE_MS = 10_000;

/** These change roles, so later requests wait for their answer. */
const isBarrier = ({ kind }: QueuedRequest): boolean => kind === 'login' || kind === 'upgrade' || kind === 'downgrade';

export const wasWrite = ({ kind }: QueuedRequest): boolean => kind === 'create' || kind === 'update' || kind === 'delete';

export class Outbox {
  #waiting: QueuedRequest[] = [];
  readonly #sent = new Map<string, QueuedRequest>();
  #pauseUntil = 0;
  #pauses = 0;

  get full(): boolean {
    return this.#waiting.length >= MAX_WAITING;
  }

  add(item: QueuedRequest): void {
    let at = this.#waiting.length;
    while (at > 0 && (this.#waiting[at - 1]?.order ?? 0) > item.order) at -= 1;
    this.#waiting.splice(at, 0, item);
  }

  /** Takes the next request that may be sent now. */
  next(at: number): QueuedRequest | undefined {
    if (!this.#open || at < this.#pauseUntil) return undefined;
    for (const [index, item] of this.#waiting.entries()) {
      if (item.notBefore <= at) {
        this.#waiting.splice(index, 1);
        this.#sent.set(item.ref, item);
        return item;
      }
      if (isBarrier(item)) return undefined;
    }
    return undefined;
  }

  get #open(): boolean {
    return this.#sent.size < MAX_UNANSWERED && ![...this.#sent.values()].some(isBarrier);
  }

  sent(ref: string): QueuedRequest | undefined {
    return this.#sent.get(ref);
  }

  waiting(ref: string): QueuedRequest | undefined {
    return this.#waiting.find((item) => item.ref === ref);
  }

  /** It was answered. */
  remove(ref: string): void {
    this.#sent.delete(ref);
  }

  /** Cancels it. @returns whether it was not sent yet */
  cancel(ref: string): boolean {
    const index = this.#waiting.findIndex((item) => item.ref === ref);
    if (index !== -1) this.#waiting.splice(index, 1);
    this.#sent.delete(ref);
    return index !== -1;
  }

  /** Moves it back to the waiting requests. */
  again(item: QueuedRequest): void {
    this.#sent.delete(item.ref);
    item.rows = [];
    this.add(item);
  }

  /** The server answered `slow down`: nothing is sent for a while. */
  pause(at: number, random: number): void {
    // Several such answers to requests sent together count as one.
    if (at >= this.#pauseUntil) this.#pauses += 1;
    const ms = Math.min(LONGEST_PAUSE_MS, PAUSE_MS * 2 ** (this.#pauses - 1)) + random * 400;
    this.#pauseUntil = Math.max(this.#pauseUntil, at + ms);
  }

  carriedOut(): void {
    this.#pauses = 0;
  }

  /** The connection has ended: takes all sent requests, and unsent ones of these kinds. */
  lost(kinds: readonly RequestKind[]): readonly QueuedRequest[] {
    const lost = [...this.#sent.values(), ...this.#waiting.filter(({ kind }) => kinds.includes(kind))];
    this.#sent.clear();
    this.#waiting = this.#waiting.filter(({ kind }) => !kinds.includes(kind));
    this.#pauseUntil = 0;
    return lost;
  }

  /** Takes the requests that have timed out. */
  expired(at: number): readonly { readonly item: QueuedRequest; readonly wasSent: boolean }[] {
    const over = ({ deadline }: QueuedRequest): boolean => deadline <= at;
    const found = this.#waiting.filter(over).map((item) => ({ item, wasSent: false }));
    if (found.length > 0) this.#waiting = this.#waiting.filter((item) => !over(item));
    for (const item of [...this.#sent.values()].filter(over)) {
      this.#sent.delete(item.ref);
      found.push({ item, wasSent: true });
    }
    return found;
  }

  /** When the next action is due. @param connected whether requests can be sent */
  due(connected: boolean): number {
    let due = Number.POSITIVE_INFINITY;
    for (const { deadline } of this.#sent.values()) due = Math.min(due, deadline);
    const sends = connected && this.#open;
    let blocked = false;
    for (const item of this.#waiting) {
      due = Math.min(due, item.deadline);
      if (sends && !blocked) due = Math.min(due, Math.max(this.#pauseUntil, item.notBefore));
      blocked ||= isBarrier(item);
    }
    return due;
  }
}
