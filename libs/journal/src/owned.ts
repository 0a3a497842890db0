/**
 * A partition that a member owns: reads it, gives its changes in order within a window, and moves the position over what was taken. The lease
 * decides whether it may give; this only asks.
 */

import type { FullChange } from '@polyedge/contracts/change';
import type { Failure } from '@polyedge/contracts/errors';
import { GROUP_WINDOW } from './group-settings.ts';
import { Pace } from './pace.ts';
import type { Item, Page } from './partition-reader.ts';

/** What of a member's window is used, over all its partitions. */
export interface MemberWindow {
  items: number;
  bytes: number;
}

interface Batch {
  to: number;
  readonly items: number;
  readonly bytes: number;
  taken: boolean;
}

/** What was read and not yet given: the items that are for this group from `at` on. */
interface Ahead {
  readonly items: readonly Item[];
  readonly to: number;
  at: number;
}

export interface OwnedOptions {
  readonly partition: number;
  readonly tenant: string;
  readonly fence: number;
  readonly position: number;
  readonly window: MemberWindow;
  /** Whether the lease allows to give now. */
  mayGive(): boolean;
  /** What the shared tail has after a seq, without waiting. */
  readTail(after: number, limit: number): Page | undefined;
  readPage(
    after: number,
    limit: number,
  ): Promise<{ readonly ok: true; readonly value: Page } | { readonly ok: false; readonly failure: Failure }>;
  give(changes: readonly FullChange[], took: () => void): void;
  /** Something was taken: the member has room again. */
  room(): void;
  /** What is read cannot be read any more, or not now. */
  failed(failure: Failure): void;
}

export class Owned {
  readonly partition: number;
  readonly fence: number;
  /** Everything up to here was confirmed, or is not for this group. */
  position: number;
  /** How far its client has confirmed: what is not for it moves the position alone, and costs nobody a repeat. */
  confirmed: number;
  saved = -1;
  committed = -1;
  /** Set while it is handed over: until when that may take. */
  drainUntil: number | undefined;
  readonly #options: OwnedOptions;
  readonly #pace = new Pace();
  /** Everything up to here was read. */
  #read: number;
  #ahead: Ahead[] = [];
  #aheadItems = 0;
  readonly #under: Batch[] = [];
  #items = 0;
  #bytes = 0;
  #reading = false;
  #again = false;
  #giving = false;
  #ended = false;
  #atEnd = false;
  /** What was read last came from the tail. */
  #atTail = false;

  constructor(options: OwnedOptions) {
    this.#options = options;
    this.partition = options.partition;
    this.fence = options.fence;
    this.position = options.position;
    // Where it begins may be known to this process alone: it is saved as well.
    this.confirmed = options.position;
    this.#read = options.position;
  }

  /** Changes given and not yet taken. */
  get pending(): number {
    return this.#items;
  }

  /** Something was read that found no room to be given. */
  get waiting(): boolean {
    return this.#ahead.length > 0;
  }

  /** There is nothing to do until the tail of the partition, which it follows, has more: that wakes it. */
  get asleep(): boolean {
    return this.#atEnd && this.#atTail && this.#ahead.length === 0;
  }

  /** Nothing is known to be left to give or to confirm. */
  get caughtUp(): boolean {
    return this.#atEnd && this.#items === 0 && this.#ahead.length === 0;
  }

  /** Goes on reading and giving as far as window and lease allow. */
  pump(): void {
    this.#give();
    if (this.#reading) this.#again = true;
    else if (!this.#ended) void this.#readOn();
  }

  /** Forgets what is under way; returns how many changes were not taken. */
  end(): number {
    if (this.#ended) return 0;
    this.#ended = true;
    this.#ahead = [];
    const { window } = this.#options;
    window.items -= this.#items;
    window.bytes -= this.#bytes;
    return this.#items;
  }

  /** Reads ahead while what was given is on its way, so that the way to the client and the way to Redis do not add up. */
  async #readOn(): Promise<void> {
    const { readTail, readPage, failed } = this.#options;
    this.#reading = true;
    do {
      this.#again = false;
      while (this.#mayGive() && this.#aheadItems < GROUP_WINDOW.partitionItems) {
        let page = readTail(this.#read, this.#pace.limit);
        this.#atTail = page !== undefined;
        if (page === undefined) {
          const asked = await readPage(this.#read, this.#pace.limit);
          // The lease may be gone, or drained, by now: what was read is then somebody else's to give.
          if (!this.#mayGive()) break;
          if (!asked.ok) {
            failed(asked.failure);
            break;
          }
          page = asked.value;
        }
        this.#atEnd = page.to <= this.#read;
        if (this.#atEnd) break;
        this.#read = page.to;
        this.#pace.saw(page.items);
        const items = page.items.filter(({ change }) => change.tenant === this.#options.tenant);
        this.#ahead.push({ items, to: page.to, at: 0 });
        this.#aheadItems += items.length;
        this.#give();
      }
    } while (this.#again && !this.#ended);
    this.#reading = false;
  }

  #mayGive(): boolean {
    return !this.#ended && this.drainUntil === undefined && this.#options.mayGive();
  }

  /** Gives what was read, in batches, as far as the windows go. */
  #give(): void {
    // What is taken at once comes back in here.
    if (this.#giving) return;
    this.#giving = true;
    for (let page = this.#ahead[0]; page !== undefined && this.#mayGive(); page = this.#ahead[0]) {
      if (page.at < page.items.length && !this.#giveSome(page)) break;
      if (page.at < page.items.length) continue;
      this.#ahead.shift();
      // The rest of the page was for others, or of no group: it counts when everything before it was taken.
      const last = this.#under.at(-1);
      if (last === undefined) this.position = page.to;
      else last.to = page.to;
    }
    this.#giving = false;
  }

  /** One batch; false when there is no room for any of it. */
  #giveSome(page: Ahead): boolean {
    const { window, give } = this.#options;
    const most = Math.min(GROUP_WINDOW.partitionItems - this.#items, GROUP_WINDOW.memberItems - window.items);
    const room = Math.min(GROUP_WINDOW.partitionBytes - this.#bytes, GROUP_WINDOW.memberBytes - window.bytes);
    const changes: FullChange[] = [];
    let bytes = 0;
    let to = 0;
    while (changes.length < most && page.at < page.items.length) {
      const item = page.items[page.at];
      // One that is larger than the whole window goes by itself.
      if (item === undefined || (bytes + item.bytes > room && (changes.length > 0 || this.#items > 0))) break;
      changes.push(item.change);
      bytes += item.bytes;
      to = item.seq;
      page.at += 1;
    }
    if (changes.length === 0) return false;
    const batch: Batch = { to, items: changes.length, bytes, taken: false };
    this.#aheadItems -= batch.items;
    this.#under.push(batch);
    this.#items += batch.items;
    this.#bytes += bytes;
    window.items += batch.items;
    window.bytes += bytes;
    give(changes, () => this.#took(batch));
    return true;
  }

  #took(batch: Batch): void {
    if (this.#ended || batch.taken) return;
    batch.taken = true;
    const { window, room } = this.#options;
    this.#items -= batch.items;
    this.#bytes -= batch.bytes;
    window.items -= batch.items;
    window.bytes -= batch.bytes;
    // What was taken out of turn counts when everything before it was taken.
    while (this.#under[0]?.taken === true) this.position = this.#under.shift()?.to ?? this.position;
    if (!this.#giving) this.confirmed = this.position;
    room();
  }
}
