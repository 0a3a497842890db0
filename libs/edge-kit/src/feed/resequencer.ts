/**
 * Restores the order of seq. Bodies that arrive before their head are staged; announced changes wait until they are delivered to every
 * watch concerned. A change whose body is missing blocks only the interests that it may concern: their later changes queue behind it.
 */
import type { FullChange } from '@polyedge/contracts/change';
import { covers, type Interest, interestKey } from '@polyedge/contracts/interest';
import { Fifo } from './fifo.ts';
import type { FeedEffect } from './messages.ts';
import type { FeedSettings, FeedStats } from './settings.ts';

/** An announced change that has not been delivered to every watch concerned. */
export interface StagedChange {
  readonly seq: number;
  /** Interests that it may concern: the head lists their keys, and the body decides. */
  readonly interests: readonly WatchedInterest[];
  /** Number of interests that have not had it. At 0 it is dropped. */
  left: number;
  /** Number of `interests` that were served or have queued it. */
  next: number;
  change: FullChange | undefined;
  bytes: number;
  fetching: boolean;
  /** Fetched in a request without others: it is a reference, so it may be huge, or it failed together with others. */
  alone: boolean;
}

/** One watch. `position` is the last seq delivered to it; before the watch is live, it is above every seq. */
export interface Watcher {
  readonly watch: number;
  readonly interest: WatchedInterest;
  readonly since: number;
  position: number;
  /** Receives nothing more except `lost`. */
  ended: boolean;
}

/** All watches of one interest. */
export class WatchedInterest {
  readonly name: string;
  readonly interest: Interest;
  readonly key: number;
  readonly watchers = new Set<Watcher>();
  /** Not empty while a change without a body blocks this interest; that change is first. */
  readonly queue = new Fifo<StagedChange>();
  /** The server knows the subscription. */
  flushed = false;
  /** Heads are checked for it. */
  live = false;
  closed = false;
  /** The body of its first change has arrived. */
  ready = false;

  constructor(name: string, interest: Interest) {
    this.name = name;
    this.interest = interest;
    this.key = interestKey(interest);
  }

  /** The seq that it must receive before anything later, though other interests may be ahead. Undefined: none. */
  get waitsFor(): number | undefined {
    return this.queue.front?.seq;
  }
}

/** A body that arrived before its head; undefined for a reference, which must be fetched. */
interface Staged {
  readonly change: FullChange | undefined;
  readonly bytes: number;
}

// Memory of a staged seq besides its body.
const STAGED_OVERHEAD_BYTES = 200;
const CALLS_PER_SLICE = 64;

export class Resequencer {
  readonly #settings: FeedSettings;
  readonly #stats: FeedStats;
  readonly #effects: FeedEffect[];
  readonly #byKey = new Map<number, WatchedInterest[]>();
  readonly #staged = new Map<number, Staged>();
  readonly #entries = new Map<number, StagedChange>();
  readonly #due = new Fifo<StagedChange>();
  readonly #blocked = new Set<WatchedInterest>();
  readonly #ready = new Fifo<WatchedInterest>();
  #stagedBytes = 0;
  #dueBytes = 0;
  /** Changes that may still be delivered in this turn of the event loop. */
  #turnLeft: number;
  #sliceIsOver = false;

  constructor(settings: FeedSettings, stats: FeedStats, effects: FeedEffect[]) {
    this.#settings = settings;
    this.#stats = stats;
    this.#effects = effects;
    this.#turnLeft = settings.maxChangesPerTick;
  }

  /** Bytes of all waiting bodies. */
  get bytes(): number {
    return this.#stagedBytes + this.#dueBytes;
  }

  /** Bytes of the bodies of announced changes. The others are not freed by delivery. */
  get dueBytes(): number {
    return this.#dueBytes;
  }

  /** Number of announced changes that wait. */
  get pending(): number {
    return this.#entries.size;
  }

  /** Whether something can be delivered. */
  get hasReady(): boolean {
    return this.#ready.length > 0 || this.#due.length > 0;
  }

  /** Whether this turn has reached its maximum. */
  get turnIsFull(): boolean {
    return this.#turnLeft <= 0;
  }

  /** From now on announcements are checked for this interest. */
  add(interest: WatchedInterest): void {
    interest.live = true;
    const same = this.#byKey.get(interest.key);
    if (same === undefined) this.#byKey.set(interest.key, [interest]);
    else same.push(interest);
  }

  /** From now on announcements are not checked for this interest, and its waiting changes are dropped. */
  remove(interest: WatchedInterest): void {
    interest.live = false;
    const same = this.#byKey.get(interest.key);
    const at = same?.indexOf(interest) ?? -1;
    if (at >= 0) same?.splice(at, 1);
    if (same?.length === 0) this.#byKey.delete(interest.key);
    this.#blocked.delete(interest);
    for (const entry of interest.queue.take()) this.#release(entry);
  }

  /**
   * Takes a body that arrived on the bus; `undefined` for a reference. Beyond the bound it is dropped, and fetched when its head arrives.
   */
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
   * Announces a seq that a head lists with these keys. Must be called in the order of seq.
   * @returns the entry, if it concerns an interest and its body must be fetched
   */
  announce(seq: number, keys: readonly number[]): StagedChange | undefined {
    const staged = this.#unstage(seq);
    const interests = this.#interestsOf(keys, staged?.change);
    if (interests.length === 0) return undefined;
    const entry: StagedChange = {
      seq,
      interests,
      left: interests.length,
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

  /** Announces a change of a fetched range, with its body. */
  announceWhole(seq: number, keys: readonly number[], change: FullChange | undefined, bytes: number): StagedChange | undefined {
    this.#unstage(seq);
    this.#staged.set(seq, { change, bytes });
    this.#stagedBytes += bytes;
    return this.announce(seq, keys);
  }

  /** Adds the missing body to an announced change. */
  fill(seq: number, change: FullChange, bytes: number): void {
    const entry = this.#entries.get(seq);
    if (entry === undefined || entry.change !== undefined) return;
    entry.change = change;
    entry.bytes += bytes;
    this.#dueBytes += bytes;
    for (const interest of entry.interests) {
      if (interest.ready || interest.queue.front !== entry) continue;
      interest.ready = true;
      this.#ready.push(interest);
    }
  }

  /** Drops staged bodies up to a position that were never announced, because no interest here needed them. */
  forget(position: number): void {
    for (const [seq, staged] of this.#staged) {
      if (seq > position) continue;
      this.#staged.delete(seq);
      this.#stagedBytes -= staged.bytes;
    }
  }

  /** Changes without a body that are first of an interest: they are fetched even if the memory is used up. */
  *fronts(): Generator<StagedChange> {
    for (const interest of this.#blocked) {
      const entry = interest.queue.front;
      if (entry !== undefined && entry.change === undefined) yield entry;
    }
  }

  /** Everything up to the returned seq (at most `position`) was delivered to every watch. */
  deliveredTo(position: number): number {
    let to = Math.min(position, (this.#due.front?.seq ?? Number.POSITIVE_INFINITY) - 1);
    for (const interest of this.#blocked) to = Math.min(to, (interest.waitsFor ?? Number.POSITIVE_INFINITY) - 1);
    return to;
  }

  /** Delivers one slice: one change to the watches of one interest, so that the driver can check the time after each. */
  handOut(): void {
    this.#sliceIsOver = false;
    this.#handOutReady();
    for (let entry = this.#due.front; entry !== undefined && this.#ready.length === 0; entry = this.#due.front) {
      if (entry.left > 0) {
        if (this.turnIsFull || !this.#serve(entry)) return;
        this.#turnLeft -= 1;
      }
      this.#due.shift();
    }
  }

  endTurn(): void {
    this.#turnLeft = this.#settings.maxChangesPerTick;
  }

  /** Drops everything of an epoch. No interest is added. */
  clear(): void {
    this.#staged.clear();
    this.#entries.clear();
    this.#due.take();
    for (const interest of this.#ready.take()) interest.ready = false;
    this.#blocked.clear();
    this.#stagedBytes = 0;
    this.#dueBytes = 0;
  }

  /** Interests whose missing body has arrived catch up before anything new is delivered. */
  #handOutReady(): void {
    for (let interest = this.#ready.front; interest !== undefined; interest = this.#ready.front) {
      for (let entry = interest.queue.front; entry?.change !== undefined; entry = interest.queue.front) {
        if (this.turnIsFull || !this.#hand(entry, entry.change, interest)) {
          this.#notifyWaits(interest);
          return;
        }
        interest.queue.shift();
        this.#release(entry);
        this.#turnLeft -= 1;
      }
      this.#ready.shift();
      interest.ready = false;
      if (interest.queue.length === 0) this.#blocked.delete(interest);
      this.#notifyWaits(interest);
    }
  }

  /** @returns false when the slice is used up; the next one continues from there */
  #serve(entry: StagedChange): boolean {
    for (; entry.next < entry.interests.length; entry.next += 1) {
      const interest = entry.interests[entry.next];
      if (interest === undefined || interest.closed) this.#release(entry);
      else if (entry.change === undefined || interest.queue.length > 0) {
        interest.queue.push(entry);
        if (interest.queue.length > 1) continue;
        this.#blocked.add(interest);
        this.#notifyWaits(interest);
      } else {
        if (!this.#hand(entry, entry.change, interest)) return false;
        this.#release(entry);
      }
    }
    return true;
  }

  /** @returns false when the slice is used up; the next one continues from there, since every watch has its position */
  #hand(entry: StagedChange, change: FullChange, { interest, watchers }: WatchedInterest): boolean {
    if (!covers(interest, change)) return true;
    if (this.#sliceIsOver) return false;
    const watches: number[] = [];
    let isLeft = false;
    for (const watcher of watchers) {
      if (watcher.position >= entry.seq) continue;
      isLeft = watches.length === CALLS_PER_SLICE;
      if (isLeft) break;
      watcher.position = entry.seq;
      watches.push(watcher.watch);
    }
    if (watches.length === 0) return true;
    this.#sliceIsOver = true;
    this.#stats.delivered += watches.length;
    this.#effects.push({ do: 'deliver', watches, change });
    return !isLeft;
  }

  #notifyWaits({ watchers, waitsFor }: WatchedInterest): void {
    for (const { watch, position } of watchers) {
      if (position !== Number.POSITIVE_INFINITY) this.#effects.push({ do: 'waits', watch, seq: waitsFor });
    }
  }

  #interestsOf(keys: readonly number[], change: FullChange | undefined): WatchedInterest[] {
    const interests: WatchedInterest[] = [];
    for (let at = 0; at < keys.length; at += 1) {
      const key = keys[at];
      if (key === undefined || keys.indexOf(key) < at) continue;
      for (const watched of this.#byKey.get(key) ?? []) {
        if (change === undefined || covers(watched.interest, change)) interests.push(watched);
      }
    }
    return interests;
  }

  #unstage(seq: number): Staged | undefined {
    const staged = this.#staged.get(seq);
    if (staged !== undefined) {
      this.#staged.delete(seq);
      this.#stagedBytes -= staged.bytes;
    }
    return staged;
  }

  #release(entry: StagedChange): void {
    entry.left -= 1;
    if (entry.left > 0) return;
    this.#dueBytes -= entry.bytes;
    entry.bytes = 0;
    if (this.#entries.get(entry.seq) === entry) this.#entries.delete(entry.seq);
  }
}
