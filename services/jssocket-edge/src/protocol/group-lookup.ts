/** Tracks the lookup of another client's group before a `notify_group` by that client's id. One at a time: reading is paused meanwhile. */
import type { Notification } from './translate.ts';

export interface PendingLookup {
  readonly question: number;
  /** The id of the other client. */
  readonly name: string;
  readonly notification: Notification;
}

export class GroupLookup {
  #pending: PendingLookup | undefined;
  #count = 0;

  get pending(): boolean {
    return this.#pending !== undefined;
  }

  /** Starts a lookup; returns its number, which the answer repeats. */
  begin(name: string, notification: Notification): number {
    this.#count += 1;
    this.#pending = { question: this.#count, name, notification };
    return this.#count;
  }

  /** Ends the lookup and returns it; undefined if none is pending, or `question` is an earlier one. */
  take(question = this.#count): PendingLookup | undefined {
    const pending = this.#pending?.question === question ? this.#pending : undefined;
    if (pending !== undefined) this.#pending = undefined;
    return pending;
  }
}
