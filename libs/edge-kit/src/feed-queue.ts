/**
 * What waits in a feed: bodies that came before their head (staged), and announced changes until every watch of theirs has them. Announced
 * changes leave in the order of seq. One whose body is missing blocks only the groups it may concern: they queue behind it, the others go on.
 */
import type { FullChange } from '@polyedge/contracts/change';
import { covers, type Interest, interestKey } from '@polyedge/contracts/interest';
import type { Subscription } from '@polyedge/service-kit/bus';
import type { FeedSettings, FeedStats } from './feed-settings.ts';
import type { WatchHandler } from './watch.ts';

/** A first-in-first-out list whose `shift` costs the same however long it is. */
export class Fifo<Item> {
  #items: Item[] = [];
  #first = 0;

  get length(): number {
    return this.#items.length - this.#first;
  }

  get front(): Item | undefined {
    return this.#items[this.#first];
  }

  push(item: Item): void {
    this.#items.push(item);
  }

  shift(): Item | undefined {
    const item = this.#items[this.#first];
    if (this.#first >= this.#items.length) return undefined;
    this.#first += 1;
    // Copying when half of it is empty keeps the cost per item constant and frees what was handed out.
    if (this.#first >= 64 && this.#first * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#first);
      this.#first = 0;
    }
    return item;
  }

  unshift(item: Item): void {
    this.#items.splice(0, this.#first, item);
    this.#first = 0;
  }

  /** Empties it and returns what was in it. */
  take(): Item[] {
    const rest = this.#items.slice(this.#first);
    this.#items = [];
    this.#first = 0;
    return rest;
  }
}

/** An announced change that not every watch has been handed yet. */
export interface Entry {
  readonly seq: number;
  /** Those it may concern: their keys are in the head, the body decides. */
  readonly groups: readonly Group[];
  /** Groups that have not had it. At 0 it is forgotten. */
  left: number;
  /** How many of `groups` have been served or have queued it. */
  next: number;
  change: FullChange | undefined;
  bytes: number;
  fetching: boolean;
  /** Fetched by itself: it is a reference, so it may be huge, or it failed together with others. */
  alone: boolean;
}

/** One watch. `position` is the last seq it had; before it is live, no seq is above it. */
export interface LiveWatch {
  readonly handler: WatchHandler;
  readonly group: Group;
  readonly since: number;
  position: number;
  /** Gets nothing more, except to be told of its loss. */
  ended: boolean;
  /** Its owner closed it: no call of any kind. */
  closed: boolean;
}

/** All watches of one interest and their subscription. */
export class Group {
  readonly name: string;
  readonly interest: Interest;
  readonly key: number;
  readonly watches = new Set<LiveWatch>();
  /** Not empty while a change without body blocks this group: that one is in front. */
  readonly queue = new Fifo<Entry>();
  subscription: Subscription | undefined;
  /** The server knows the subscription. */
  flushed = false;
  /** Heads are looked through for this group. */
  live = false;
  closed = false;
  /** Its front has got its body. */
  ready = false;

  /** The seq that this group has to have before anything later, though other groups may have more. Undefined: it waits for nothing. */
  get waitsFor(): number | undefined {
    return this.queue.front?.seq;
  }

  constructor(name: string, interest: Interest) {
    this.name = name;
    this.interest = interest;
    this.key = interestKey(interest);
  }
}

/** A body that came before its head; undefined for a reference, which has to be fetched. */
interface Staged {
  readonly change: FullChange | undefined;
  readonly bytes: number;
}

// What a staged seq costs besides its body.
const STAGED_OVERHEAD_BYTES = 200;
const CALLS_PER_CLOCK_LOOK = 16;

export class FeedQueue {
  readonly #settings: FeedSettings;
  readonly #stats: FeedStats;
  readonly #now: () => number;
  readonly #give: (watch: LiveWatch, change: FullChange) => void;
  readonly #waits: (group: Group) => void;
  readonly #byKey = new Map<number, Group[]>();
  readonly #staged = new Map<number, Staged>();
  readonly #entries = new Map<number, Entry>();
  readonly #due = new Fifo<Entry>();
  readonly #blocked = new Set<Group>();
  readonly #ready = new Fifo<Group>();
  #stagedBytes = 0;
  #dueBytes = 0;

  /** @param parts `give` hands one change to one watch; `waits`: what a group waits for is another change now, or none. They never throw. */
  constructor(parts: {
    readonly settings: FeedSettings;
    readonly stats: FeedStats;
    readonly now: () => number;
    readonly give: (watch: LiveWatch, change: FullChange) => void;
    readonly waits: (group: Group) => void;
  }) {
    this.#settings = parts.settings;
    this.#stats = parts.stats;
    this.#now = parts.now;
    this.#give = parts.give;
    this.#waits = parts.waits;
  }

  /** Bytes of all bodies that wait here. */
  get bytes(): number {
    return this.#stagedBytes + this.#dueBytes;
  }

  /** Bytes of the bodies that were announced. The others do not leave by waiting. */
  get dueBytes(): number {
    return this.#dueBytes;
  }

  /** Announced changes that wait here. */
  get pending(): number {
    return this.#entries.size;
  }

  /** From now on announcements are looked through for this group. */
  join(group: Group): void {
    group.live = true;
    const same = this.#byKey.get(group.key);
    if (same === undefined) this.#byKey.set(group.key, [group]);
    else same.push(group);
  }

  /** Forgets a group and what it waits for. */
  leave(group: Group): void {
    group.closed = true;
    this.unjoin(group);
  }

  /** From now on announcements are not looked through for this group, and what it waits for is dropped. */
  unjoin(group: Group): void {
    group.live = false;
    const same = this.#byKey.get(group.key);
    const at = same?.indexOf(group) ?? -1;
    if (at >= 0) same?.splice(at, 1);
    if (same?.length === 0) this.#byKey.delete(group.key);
    this.#blocked.delete(group);
    for (const entry of group.queue.take()) this.#release(entry);
  }

  /** Takes a body that came on the bus. `undefined` for a reference. Beyond the bound it is dropped: its head will have it fetched. */
  arrive(seq: number, change: FullChange | undefined, bytes: number, position: number): void {
    if (seq <= position) {
      if (change !== undefined) this.fill(seq, change, bytes);
      return;
    }
    if (this.#staged.has(seq)) return;
    const cost = change === undefined ? STAGED_OVERHEAD_BYTES : bytes + STAGED_OVERHEAD_BYTES;
    if (this.bytes + cost > this.#settings.maxStagedBytes) {
      this.#stats.dropped += 1;
      return;
    }
    this.#staged.set(seq, { change, bytes: cost });
    this.#stagedBytes += cost;
  }

  /**
   * A head lists a seq under these keys. Must be called in the order of seq.
   * @returns the entry, when somebody waits for it and its body has to be fetched.
   */
  announce(seq: number, keys: readonly number[]): Entry | undefined {
    const staged = this.#unstage(seq);
    const groups = this.#groupsOf(keys, staged?.change);
    if (groups.length === 0) return undefined;
    const entry: Entry = {
      seq,
      groups,
      left: groups.length,
      next: 0,
      change: staged?.change,
      bytes: staged?.bytes ?? 0,
      fetching: false,
      alone: staged !== undefined && staged.change === undefined,
    };
    this.#entries.set(seq, entry);
    this.#dueBytes += entry.bytes;
    this.#due.push(entry);
    return entry.change === undefined ? entry : undefined;
  }

  /** A change of a fetched range; like a message and its head in one. */
  announceWhole(seq: number, keys: readonly number[], change: FullChange | undefined, bytes: number): Entry | undefined {
    this.#unstage(seq);
    this.#staged.set(seq, { change, bytes });
    this.#stagedBytes += bytes;
    return this.announce(seq, keys);
  }

  /** Gives an announced change the body it waits for. */
  fill(seq: number, change: FullChange, bytes: number): void {
    const entry = this.#entries.get(seq);
    if (entry === undefined || entry.change !== undefined) return;
    entry.change = change;
    entry.bytes += bytes;
    this.#dueBytes += bytes;
    for (const group of entry.groups) {
      if (group.ready || group.queue.front !== entry) continue;
      group.ready = true;
      this.#ready.push(group);
    }
  }

  /** Forgets bodies up to a position that were never announced: nobody here wanted them. */
  forget(position: number): void {
    for (const [seq, staged] of this.#staged) {
      if (seq > position) continue;
      this.#staged.delete(seq);
      this.#stagedBytes -= staged.bytes;
    }
  }

  /** Entries without body that are first of a group: what has to be fetched whatever memory is taken. */
  *fronts(): Generator<Entry> {
    for (const group of this.#blocked) {
      const entry = group.queue.front;
      if (entry !== undefined && entry.change === undefined) yield entry;
    }
  }

  /** Everything up to this seq, at most `position`, was handed to every watch. */
  deliveredTo(position: number): number {
    let to = Math.min(position, (this.#due.front?.seq ?? Number.POSITIVE_INFINITY) - 1);
    for (const group of this.#blocked) to = Math.min(to, (group.queue.front?.seq ?? Number.POSITIVE_INFINITY) - 1);
    return to;
  }

  /** Hands out until nothing is ready, or until the bounds of a tick. @returns true when something ready is left. */
  run(): boolean {
    const until = this.#now() + this.#settings.maxTickMs;
    let room = this.#settings.maxChangesPerTick;
    for (let group = this.#ready.front; group !== undefined; group = this.#ready.front) {
      for (let entry = group.queue.front; entry?.change !== undefined; entry = group.queue.front) {
        if (room === 0 || !this.#hand(entry, entry.change, group, until)) {
          this.#waits(group);
          return true;
        }
        // A handler may have closed the group's last watch, which empties its queue.
        if (group.closed) break;
        group.queue.shift();
        this.#release(entry);
        room -= 1;
      }
      this.#ready.shift();
      group.ready = false;
      if (group.queue.length === 0) this.#blocked.delete(group);
      this.#waits(group);
    }
    for (let entry = this.#due.front; entry !== undefined; entry = this.#due.front) {
      if (entry.left > 0) {
        if (room === 0 || !this.#serve(entry, until)) return true;
        room -= 1;
      }
      this.#due.shift();
    }
    return false;
  }

  /** Forgets everything of an epoch. No group is joined. */
  clear(): void {
    this.#staged.clear();
    this.#entries.clear();
    this.#due.take();
    for (const group of this.#ready.take()) group.ready = false;
    this.#blocked.clear();
    this.#stagedBytes = 0;
    this.#dueBytes = 0;
  }

  #serve(entry: Entry, until: number): boolean {
    for (; entry.next < entry.groups.length; entry.next += 1) {
      const group = entry.groups[entry.next];
      if (group === undefined || group.closed) this.#release(entry);
      else if (entry.change === undefined || group.queue.length > 0) {
        group.queue.push(entry);
        if (group.queue.length > 1) continue;
        this.#blocked.add(group);
        this.#waits(group);
      } else {
        if (!this.#hand(entry, entry.change, group, until)) return false;
        this.#release(entry);
      }
    }
    return true;
  }

  /** @returns false when the time was up; the next call goes on where this one stopped, since every watch has its position. */
  #hand(entry: Entry, change: FullChange, group: Group, until: number): boolean {
    if (!covers(group.interest, change)) return true;
    if (this.#now() >= until) return false;
    let calls = 0;
    for (const watch of group.watches) {
      if (watch.position >= entry.seq) continue;
      if (calls === CALLS_PER_CLOCK_LOOK) {
        if (this.#now() >= until) return false;
        calls = 0;
      }
      calls += 1;
      watch.position = entry.seq;
      this.#give(watch, change);
    }
    return true;
  }

  #groupsOf(keys: readonly number[], change: FullChange | undefined): Group[] {
    const groups: Group[] = [];
    for (let at = 0; at < keys.length; at += 1) {
      const key = keys[at];
      if (key === undefined || keys.indexOf(key) < at) continue;
      for (const group of this.#byKey.get(key) ?? []) {
        if (change === undefined || covers(group.interest, change)) groups.push(group);
      }
    }
    return groups;
  }

  #unstage(seq: number): Staged | undefined {
    const staged = this.#staged.get(seq);
    if (staged !== undefined) {
      this.#staged.delete(seq);
      this.#stagedBytes -= staged.bytes;
    }
    return staged;
  }

  #release(entry: Entry): void {
    entry.left -= 1;
    if (entry.left > 0) return;
    this.#dueBytes -= entry.bytes;
    entry.bytes = 0;
    if (this.#entries.get(entry.seq) === entry) this.#entries.delete(entry.seq);
  }
}
