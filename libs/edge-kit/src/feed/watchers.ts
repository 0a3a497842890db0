/** All watches from their start to their end, and the subscriptions of their interests. */
import { type Failure, failed } from '@polyedge/contracts/errors';
import { type Interest, interestName } from '@polyedge/contracts/interest';
import { type FeedEffect, HAND_OUT_SOON } from './messages.ts';
import { type Resequencer, WatchedInterest, type Watcher } from './resequencer.ts';
import type { FeedSettings, FeedStats } from './settings.ts';

const JOINS_PER_SLICE = 64;

export class Watchers {
  readonly #settings: FeedSettings;
  readonly #stats: FeedStats;
  readonly #effects: FeedEffect[];
  readonly #resequencer: Resequencer;
  readonly #watchers = new Map<number, Watcher>();
  readonly #interests = new Map<string, WatchedInterest>();
  /** Watches that are not live yet. */
  #joining: Watcher[] = [];
  /** Watches that have ended, whose `lost` is not delivered yet. */
  #lost: { readonly watch: number; readonly failure: Failure }[] = [];
  /** Interests whose subscription the server may not know yet, and those that the flush in flight covers. */
  #unflushed = new Set<WatchedInterest>();
  #flushing: Set<WatchedInterest> | undefined;
  #connected: boolean;

  constructor(settings: FeedSettings, stats: FeedStats, effects: FeedEffect[], resequencer: Resequencer, connected: boolean) {
    this.#settings = settings;
    this.#stats = stats;
    this.#effects = effects;
    this.#resequencer = resequencer;
    this.#connected = connected;
  }

  /** Number of distinct interests. */
  get size(): number {
    return this.#interests.size;
  }

  /** Whether a `lost` is to be delivered. */
  get hasLost(): boolean {
    return this.#lost.length > 0;
  }

  /** The interests that heads are checked for. */
  live(): Interest[] {
    const interests: Interest[] = [];
    for (const { live, interest } of this.#interests.values()) if (live) interests.push(interest);
    return interests;
  }

  open(watch: number, interest: Interest, at: number): void {
    const name = interestName(interest);
    const known = this.#interests.get(name);
    this.#effects.push(HAND_OUT_SOON);
    if (known === undefined && this.#interests.size >= this.#settings.maxInterests) {
      this.#lost.push({ watch, failure: failed('limited', 'no further interest can be watched here').failure });
      return;
    }
    const watched = known ?? new WatchedInterest(name, interest);
    // Above every seq, so that changes in delivery to the interest's other watches skip this one.
    const watcher: Watcher = { watch, interest: watched, since: at, position: Number.POSITIVE_INFINITY, ended: false };
    this.#watchers.set(watch, watcher);
    watched.watchers.add(watcher);
    this.#stats.watches += 1;
    this.#joining.push(watcher);
    if (known !== undefined) return;
    this.#interests.set(name, watched);
    this.#effects.push({ do: 'subscribe', name, interest });
    this.#unflushed.add(watched);
    this.flush();
  }

  /** The owner closed the watch: nothing more is delivered. */
  close(watch: number): void {
    const watcher = this.#watchers.get(watch);
    if (watcher === undefined) this.#lost = this.#lost.filter((one) => one.watch !== watch);
    else this.#end(watcher);
  }

  /** Ends a watch now and delivers `lost` in the next slice. */
  lose(watch: number, failure: Failure): void {
    const watcher = this.#watchers.get(watch);
    if (watcher === undefined) return;
    this.#end(watcher);
    this.#lost.push({ watch, failure });
    this.#effects.push(HAND_OUT_SOON);
  }

  loseInterest({ watchers }: WatchedInterest, failure: Failure): void {
    for (const { watch } of [...watchers]) this.lose(watch, failure);
  }

  /** Ends every watch of these tenants, live or not. */
  loseTenants(tenants: ReadonlySet<string>, failure: Failure): void {
    for (const watched of [...this.#interests.values()]) if (tenants.has(watched.interest.tenant)) this.loseInterest(watched, failure);
  }

  /** Ends every live watch. Others have no position to lose. */
  loseAll(failure: Failure): void {
    for (const interest of [...this.#interests.values()]) {
      for (const { watch, position } of [...interest.watchers]) if (position !== Number.POSITIVE_INFINITY) this.lose(watch, failure);
      if (!interest.closed) this.#resequencer.remove(interest);
    }
  }

  notifyLost(): void {
    for (const { watch, failure } of this.#lost) {
      this.#stats.lost += 1;
      this.#effects.push({ do: 'lost', watch, failure });
    }
    this.#lost = [];
  }

  /**
   * Watches whose subscription reached the server go live at the feed's position. Not while the gap detector is closed, because the range
   * being fetched would not include their interests.
   * @returns whether more watches can go live
   */
  join(epoch: string, position: number, isOpen: boolean): boolean {
    if (this.#joining.length === 0) return false;
    const waiting: Watcher[] = [];
    let joined = 0;
    let at = 0;
    for (; at < this.#joining.length && joined < JOINS_PER_SLICE; at += 1) {
      const watcher = this.#joining[at];
      if (watcher === undefined || watcher.ended) continue;
      const { watch, interest } = watcher;
      if (!interest.live && (!interest.flushed || !isOpen)) {
        waiting.push(watcher);
        continue;
      }
      if (!interest.live) this.#resequencer.add(interest);
      watcher.position = position;
      joined += 1;
      this.#effects.push({ do: 'live', watch, seq: position, epoch });
      if (interest.waitsFor !== undefined) this.#effects.push({ do: 'waits', watch, seq: interest.waitsFor });
    }
    const rest = this.#joining.slice(at);
    this.#joining = rest.length === 0 ? waiting : [...waiting, ...rest];
    return rest.length > 0;
  }

  /** One round trip for all subscriptions made since the last one began. */
  flush(): void {
    if (this.#flushing !== undefined || this.#unflushed.size === 0 || !this.#connected) return;
    this.#flushing = this.#unflushed;
    this.#unflushed = new Set();
    this.#effects.push({ do: 'flush' });
  }

  flushed(ok: boolean): void {
    const interests = this.#flushing ?? [];
    this.#flushing = undefined;
    for (const interest of interests) {
      if (interest.closed) continue;
      if (ok) interest.flushed = true;
      else this.#unflushed.add(interest);
    }
    // After a failure, the sweep or the next connection retries.
    if (ok) this.flush();
    this.#effects.push(HAND_OUT_SOON);
  }

  /** A new connection starts with all subscriptions. */
  connected(): void {
    this.#connected = true;
    for (const interest of this.#unflushed) interest.flushed = true;
    this.#unflushed.clear();
    this.#effects.push(HAND_OUT_SOON);
  }

  disconnected(): void {
    this.#connected = false;
  }

  /** Ends watches that could not go live in time. */
  sweep(at: number): void {
    for (const { watch, ended, since } of this.#joining) {
      if (!ended && at - since >= this.#settings.joinTimeoutMs)
        this.lose(watch, failed('unavailable', 'the feed cannot be joined now').failure);
    }
    this.#joining = this.#joining.filter(({ ended }) => !ended);
    this.flush();
  }

  #end(watcher: Watcher): void {
    watcher.ended = true;
    this.#watchers.delete(watcher.watch);
    const { interest } = watcher;
    interest.watchers.delete(watcher);
    this.#stats.watches -= 1;
    if (interest.watchers.size > 0) return;
    interest.closed = true;
    this.#interests.delete(interest.name);
    this.#unflushed.delete(interest);
    this.#effects.push({ do: 'unsubscribe', name: interest.name });
    this.#resequencer.remove(interest);
  }
}
