/**
 * A partition that a member owns: reads it, gives its changes in order within a window, and moves the position over what was taken. The lease
 * decides whether it may give; this only asks.
 */
import type { FullChange } from '@polyedge/contracts/change';
import type { Failure } from '@polyedge/contracts/errors';
import type { GroupsEffect, Item, JournalPage } from './messages.ts';
import { PageSize } from './page-size.ts';
import { ask, type Procedure } from './procedure.ts';
import { GROUP_WINDOW } from './settings.ts';

/** What of a member's window is used, over all its partitions. */
export interface MemberWindow {
  items: number;
  bytes: number;
}

interface Batch {
  readonly batch: number;
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

export interface ConsumerOptions {
  readonly epoch: string;
  readonly partition: number;
  readonly tenant: string;
  readonly fence: number;
  readonly position: number;
  readonly member: string;
  readonly window: MemberWindow;
  /** What the shared tail has after a seq. */
  readonly tails: { read(partition: number, after: number, limit: number): JournalPage | undefined };
  readonly effects: GroupsEffect[];
  newBatch(): number;
}

export class PartitionConsumer {
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
  /** Set when what comes next can no longer be read. */
  failure: Failure | undefined;
  readonly #options: ConsumerOptions;
  readonly #pageSize = new PageSize();
  /** Everything up to here was read. */
  #read: number;
  #ahead: Ahead[] = [];
  #aheadItems = 0;
  readonly #unacked: Batch[] = [];
  #items = 0;
  #bytes = 0;
  #reading = false;
  #again = false;
  #ended = false;
  #atEnd = false;
  /** What was read last came from the tail. */
  #atTail = false;

  constructor(options: ConsumerOptions) {
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

  /** Batches given and not yet taken. */
  get batches(): readonly number[] {
    return this.#unacked.map(({ batch }) => batch);
  }

  /**
   * Goes on giving, as far as the window allows.
   *
   * @param mayGive whether the lease allows to give now; asked again after each wait
   * @returns reading on, where that is not under way already
   */
  pump(mayGive: () => boolean): Procedure | undefined {
    this.#give(mayGive);
    if (this.#reading) this.#again = true;
    else if (!this.#ended) return this.#readOn(mayGive);
    return undefined;
  }

  /** A batch was taken. What was not for its client moves the position only. */
  take(batch: number, confirmed: boolean): void {
    const taken = this.#unacked.find((one) => one.batch === batch);
    if (this.#ended || taken === undefined || taken.taken) return;
    taken.taken = true;
    const { window } = this.#options;
    this.#items -= taken.items;
    this.#bytes -= taken.bytes;
    window.items -= taken.items;
    window.bytes -= taken.bytes;
    // What was taken out of turn counts when everything before it was taken.
    while (this.#unacked[0]?.taken === true) this.position = this.#unacked.shift()?.to ?? this.position;
    if (confirmed) this.confirmed = this.position;
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
  *#readOn(leaseAllows: () => boolean): Procedure {
    const { epoch, partition, tails } = this.#options;
    this.#reading = true;
    do {
      this.#again = false;
      while (this.#mayGive(leaseAllows) && this.#aheadItems < GROUP_WINDOW.partitionItems) {
        let page = tails.read(partition, this.#read, this.#pageSize.limit);
        this.#atTail = page !== undefined;
        if (page === undefined) {
          const asked = yield* ask({ call: 'read', epoch, partition, after: this.#read, limit: this.#pageSize.limit });
          // The lease may be gone, or drained, by now: what was read is then somebody else's to give.
          if (!this.#mayGive(leaseAllows)) break;
          if (!asked.ok) {
            this.failure = asked.failure;
            break;
          }
          page = asked.value;
        }
        this.#atEnd = page.to <= this.#read;
        if (this.#atEnd) break;
        this.#took(page);
        this.#give(leaseAllows);
      }
    } while (this.#again && !this.#ended);
    this.#reading = false;
  }

  #took(page: JournalPage): void {
    this.#read = page.to;
    this.#pageSize.saw(page.items);
    const items = page.items.filter(({ change }) => change.tenant === this.#options.tenant);
    this.#ahead.push({ items, to: page.to, at: 0 });
    this.#aheadItems += items.length;
  }

  #mayGive(leaseAllows: () => boolean): boolean {
    return !this.#ended && this.drainUntil === undefined && leaseAllows();
  }

  /** Gives what was read, in batches, as far as the windows go. */
  #give(leaseAllows: () => boolean): void {
    for (let page = this.#ahead[0]; page !== undefined && this.#mayGive(leaseAllows); page = this.#ahead[0]) {
      if (page.at < page.items.length && !this.#giveSome(page)) break;
      if (page.at < page.items.length) continue;
      this.#ahead.shift();
      // The rest of the page was for others, or of no group: it counts when everything before it was taken.
      const last = this.#unacked.at(-1);
      if (last === undefined) this.position = page.to;
      else last.to = page.to;
    }
  }

  /** One batch; false when there is no room for any of it. */
  #giveSome(page: Ahead): boolean {
    const { window, effects, member } = this.#options;
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
    const batch: Batch = { batch: this.#options.newBatch(), to, items: changes.length, bytes, taken: false };
    this.#aheadItems -= batch.items;
    this.#unacked.push(batch);
    this.#items += batch.items;
    this.#bytes += bytes;
    window.items += batch.items;
    window.bytes += bytes;
    effects.push({ do: 'give', member, batch: batch.batch, changes });
    return true;
  }
}
