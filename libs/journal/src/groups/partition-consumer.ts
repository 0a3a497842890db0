/**
 * A partition that a member owns: reads it, delivers its changes in order within a window, and moves the position past acknowledged
 * changes. The lease decides whether it may deliver.
 */
import type { FullChange } from '@polyedge/contracts/change';
import type { Failure } from '@polyedge/contracts/errors';
import { call, type GroupProcedure, type GroupsEffect, type JournalPage, type TenantPage } from './messages.ts';
import { PageSize } from './page-size.ts';
import { GROUP_WINDOW } from './settings.ts';
import { pageOfTenant } from './tenant-page.ts';

/** The used part of a member's window, over all its partitions. */
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

/** Changes read and not delivered: the items for this group, from `at` on. */
interface Ahead {
  readonly page: TenantPage;
  readonly to: number;
  /** It came from the tail cache. */
  readonly shared: boolean;
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
  /** Returns what the shared tail has after a seq. */
  readonly tails: { read(partition: number, after: number): JournalPage | undefined };
  readonly effects: GroupsEffect[];
  newBatch(): number;
}

export class PartitionConsumer {
  readonly partition: number;
  readonly fence: number;
  /** Everything up to here was confirmed, or is not for this group. */
  position: number;
  /** Position that its client has confirmed: changes that are not for the client move only the position, and cause no redelivery. */
  confirmed: number;
  saved = -1;
  committed = -1;
  /** Set during a hand-over: its deadline. */
  drainUntil: number | undefined;
  /** Set if the next changes can no longer be read. */
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
  /** The last page came from the tail cache. */
  #atTail = false;

  constructor(options: ConsumerOptions) {
    this.#options = options;
    this.partition = options.partition;
    this.fence = options.fence;
    this.position = options.position;
    // Only this process may know the start position, so it is saved too.
    this.confirmed = options.position;
    this.#read = options.position;
  }

  /** Unacknowledged changes. */
  get pending(): number {
    return this.#items;
  }

  /** Changes were read that do not fit into the window. */
  get waiting(): boolean {
    return this.#ahead.length > 0;
  }

  /** Nothing to do until the partition's tail has more, which wakes it. */
  get asleep(): boolean {
    return this.#atEnd && this.#atTail && this.#ahead.length === 0;
  }

  /** Nothing is known to be left to deliver or to confirm. */
  get caughtUp(): boolean {
    return this.#atEnd && this.#items === 0 && this.#ahead.length === 0;
  }

  /** Unacknowledged batches. */
  get batches(): readonly number[] {
    return this.#unacked.map(({ batch }) => batch);
  }

  /**
   * Continues delivering, as far as the window allows.
   *
   * @param mayGive whether the lease allows delivery; called again after each wait
   * @returns a procedure that reads on, if none is running
   */
  pump(mayGive: () => boolean): GroupProcedure | undefined {
    this.#give(mayGive);
    if (this.#reading) this.#again = true;
    else if (!this.#ended) return this.#readOn(mayGive);
    return undefined;
  }

  /** A batch was acknowledged. Changes that were not for its client move only the position. */
  take(batch: number, confirmed: boolean): void {
    const taken = this.#unacked.find((one) => one.batch === batch);
    if (this.#ended || taken === undefined || taken.taken) return;
    taken.taken = true;
    const { window } = this.#options;
    this.#items -= taken.items;
    this.#bytes -= taken.bytes;
    window.items -= taken.items;
    window.bytes -= taken.bytes;
    // Acknowledgements out of order count once everything before them is acknowledged.
    while (this.#unacked[0]?.taken === true) this.position = this.#unacked.shift()?.to ?? this.position;
    if (confirmed) this.confirmed = this.position;
  }

  /** Drops deliveries in flight; returns the number of unacknowledged changes. */
  end(): number {
    if (this.#ended) return 0;
    this.#ended = true;
    this.#ahead = [];
    const { window } = this.#options;
    window.items -= this.#items;
    window.bytes -= this.#bytes;
    return this.#items;
  }

  /** Reads ahead while deliveries are in flight, so that the latencies of the client and of Redis do not add up. */
  *#readOn(leaseAllows: () => boolean): GroupProcedure {
    const { epoch, partition, tails } = this.#options;
    this.#reading = true;
    do {
      this.#again = false;
      while (this.#mayGive(leaseAllows) && this.#aheadItems < GROUP_WINDOW.partitionItems) {
        let page = tails.read(partition, this.#read);
        this.#atTail = page !== undefined;
        if (page === undefined) {
          const asked = yield* call({ call: 'read', epoch, partition, after: this.#read, limit: this.#pageSize.limit });
          // The lease may be lost or drained by now: what was read is left to the next owner.
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
    this.#pageSize.adapt(page.items);
    const own = pageOfTenant(page, this.#options.tenant);
    this.#ahead.push({ page: own, to: page.to, shared: this.#atTail, at: 0 });
    this.#aheadItems += own.items.length;
  }

  #mayGive(leaseAllows: () => boolean): boolean {
    return !this.#ended && this.drainUntil === undefined && leaseAllows();
  }

  /** Delivers what was read, in batches, as far as the windows allow. */
  #give(leaseAllows: () => boolean): void {
    for (let ahead = this.#ahead[0]; ahead !== undefined && this.#mayGive(leaseAllows); ahead = this.#ahead[0]) {
      const { length } = ahead.page.items;
      if (ahead.at < length && !this.#giveSome(ahead)) break;
      if (ahead.at < length) continue;
      this.#ahead.shift();
      // The rest of the page was for other groups: it counts once everything before it is acknowledged.
      const last = this.#unacked.at(-1);
      if (last === undefined) this.position = ahead.to;
      else last.to = ahead.to;
    }
  }

  /** Delivers one batch; returns false if nothing fits. */
  #giveSome(ahead: Ahead): boolean {
    const { window } = this.#options;
    const { items, changes, bytes } = ahead.page;
    const most = Math.min(GROUP_WINDOW.partitionItems - this.#items, GROUP_WINDOW.memberItems - window.items);
    const room = Math.min(GROUP_WINDOW.partitionBytes - this.#bytes, GROUP_WINDOW.memberBytes - window.bytes);
    // A whole page is delivered at once if possible, because groups share whole pages.
    if (ahead.at === 0) {
      if (items.length <= most && bytes <= room) return this.#giveBatch(ahead, changes, bytes, ahead.shared);
      if (window.items > 0 && items.length <= GROUP_WINDOW.partitionItems && bytes <= GROUP_WINDOW.partitionBytes) return false;
    }
    let some = 0;
    let to = ahead.at;
    for (let item = items[to]; item !== undefined && to - ahead.at < most; item = items[to]) {
      // A change larger than the whole window is delivered alone.
      if (some + item.bytes > room && (to > ahead.at || this.#items > 0)) break;
      some += item.bytes;
      to += 1;
    }
    return to > ahead.at && this.#giveBatch(ahead, changes.slice(ahead.at, to), some, false);
  }

  #giveBatch(ahead: Ahead, changes: readonly FullChange[], bytes: number, shared: boolean): true {
    const { window, effects, member, newBatch } = this.#options;
    const { length } = changes;
    const batch: Batch = { batch: newBatch(), to: changes.at(-1)?.seq ?? ahead.to, items: length, bytes, taken: false };
    ahead.at += length;
    this.#aheadItems -= length;
    this.#unacked.push(batch);
    this.#items += length;
    this.#bytes += bytes;
    window.items += length;
    window.bytes += bytes;
    effects.push({ do: 'deliver', member, batch: batch.batch, changes, shared });
    return true;
  }
}
