/**
 * A partition that a member owns: reads it, gives its changes in order within a window, and moves the position over what was taken. The lease
 * decides whether it may give; this only asks.
 */

import type { FullChange } from '@polyedge/contracts/change';
import type { Failure } from '@polyedge/contracts/errors';
import { GROUP_WINDOW } from './group-settings.ts';
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
  saved: number;
  committed: number;
  /** Set while it is handed over: until when that may take. */
  drainUntil: number | undefined;
  readonly #options: OwnedOptions;
  /** Everything up to here was read. */
  #read: number;
  readonly #under: Batch[] = [];
  #items = 0;
  #bytes = 0;
  #reading = false;
  #again = false;
  #ended = false;
  #atEnd = false;

  constructor(options: OwnedOptions) {
    this.#options = options;
    this.partition = options.partition;
    this.fence = options.fence;
    this.position = options.position;
    this.saved = -1;
    this.committed = -1;
    this.#read = options.position;
  }

  /** Changes given and not yet taken. */
  get pending(): number {
    return this.#items;
  }

  /** Nothing is known to be left to give or to confirm. */
  get caughtUp(): boolean {
    return this.#atEnd && this.#items === 0;
  }

  /** Goes on reading and giving as far as window and lease allow. */
  pump(): void {
    if (this.#reading) this.#again = true;
    else if (!this.#ended) void this.#pump();
  }

  /** Forgets what is under way; returns how many changes were not taken. */
  end(): number {
    if (this.#ended) return 0;
    this.#ended = true;
    const { window } = this.#options;
    window.items -= this.#items;
    window.bytes -= this.#bytes;
    return this.#items;
  }

  async #pump(): Promise<void> {
    const { readTail, readPage, failed } = this.#options;
    this.#reading = true;
    do {
      this.#again = false;
      while (this.#mayGive()) {
        const limit = this.#room();
        if (limit <= 0) break;
        let page = readTail(this.#read, limit);
        if (page === undefined) {
          const asked = await readPage(this.#read, limit);
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
        this.#give(page);
      }
    } while (this.#again && !this.#ended);
    this.#reading = false;
  }

  #mayGive(): boolean {
    return !this.#ended && this.drainUntil === undefined && this.#options.mayGive();
  }

  #room(): number {
    const { window } = this.#options;
    if (this.#bytes >= GROUP_WINDOW.partitionBytes || window.bytes >= GROUP_WINDOW.memberBytes) return 0;
    return Math.min(GROUP_WINDOW.partitionItems - this.#items, GROUP_WINDOW.memberItems - window.items);
  }

  /** Gives a page as one batch, or as several when it is long. */
  #give(page: Page): void {
    const { tenant, window, give } = this.#options;
    let changes: FullChange[] = [];
    let bytes = 0;
    let room = Math.min(GROUP_WINDOW.partitionBytes - this.#bytes, GROUP_WINDOW.memberBytes - window.bytes);
    let to = page.to;
    for (const item of page.items) {
      if (!isFor(tenant, item)) continue;
      if (changes.length > 0 && bytes + item.bytes > room) {
        // The rest is read again when there is room.
        to = changes.at(-1)?.seq ?? this.#read;
        break;
      }
      changes.push(item.change);
      bytes += item.bytes;
    }
    room -= bytes;
    this.#read = to;
    if (changes.length === 0) {
      const last = this.#under.at(-1);
      if (last === undefined) this.position = to;
      else last.to = to;
      return;
    }
    const batch: Batch = { to, items: changes.length, bytes, taken: false };
    this.#under.push(batch);
    this.#items += batch.items;
    this.#bytes += bytes;
    window.items += batch.items;
    window.bytes += bytes;
    give(changes, () => this.#took(batch));
    changes = [];
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
    room();
  }
}

const isFor = (tenant: string, item: Item): boolean => item.change.tenant === tenant;
