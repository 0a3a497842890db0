/**
 * The live feed of an edge (delivery.md, section 5). A watch gets every change of its interest after the seq it went live at: each once, in
 * the order of seq, whatever the bus lost meanwhile, or it ends with `lost`.
 *
 * Why that holds. Heads form a chain without holes (`feed-gate.ts` closes the gate at one), and each lists, for all its seqs, the keys of the
 * interests concerned. So a group that is looked up from position S on hears of every later seq of its own, and a listed body that did not
 * come as a message is fetched (`feed-fetch.ts`). Whether the group's own subscription was effective in time only decides whether a body comes
 * by itself. A watch therefore goes live at the feed's position, once its subscription has reached the server: nothing has to flow first.
 */
import { graphChanged, graphHead } from '@polyedge/contracts/bus/feed';
import { type Change, type FullChange, isFull } from '@polyedge/contracts/change';
import { type Failure, failed } from '@polyedge/contracts/errors';
import { type Interest, interestName, keysOf } from '@polyedge/contracts/interest';
import type { Bus, Subscription } from '@polyedge/service-kit/bus';
import type { Span } from '@polyedge/service-kit/spans';
import { FeedFetch } from './feed-fetch.ts';
import { FeedGate } from './feed-gate.ts';
import { OwnChanges } from './feed-own.ts';
import { FeedQueue, Group, type LiveWatch } from './feed-queue.ts';
import {
  FEED_DEFAULTS,
  type FeedSettings,
  type FeedStats,
  type FeedSurroundings,
  newFeedStats,
  processSurroundings,
} from './feed-settings.ts';
import type { Feed, Watch, WatchHandler } from './watch.ts';

export interface FeedOptions {
  readonly bus: Bus;
  readonly settings?: Partial<FeedSettings>;
  readonly surroundings?: FeedSurroundings;
  /** Told of an exception in a handler: a bug. Its watch ends with `lost` (`internal`). */
  readonly onThrown?: (error: unknown) => void;
}

/** A feed with its figures and its end. */
export interface LiveFeed extends Feed {
  readonly stats: Readonly<FeedStats>;
  /** Ends it: no handler is called afterwards. */
  close(): void;
}

/** Begins a feed on a bus: it subscribes to the heads at once and finds out by itself where it stands. */
export function openFeed(options: FeedOptions): LiveFeed {
  return new BusFeed(options);
}

const JOINS_PER_CLOCK_LOOK = 64;
/** Changes whose spans are open at once; further ones are not traced. */
const MAX_TRACED = 1000;

class BusFeed implements LiveFeed {
  readonly #bus: Bus;
  readonly #settings: FeedSettings;
  readonly #around: FeedSurroundings;
  readonly #onThrown: (error: unknown) => void;
  readonly #stats = newFeedStats();
  readonly #queue: FeedQueue;
  readonly #gate: FeedGate;
  readonly #fetch: FeedFetch;
  readonly #own: OwnChanges;
  readonly #groups = new Map<string, Group>();
  /** Spans of changes on their way to watches, by seq; empty when tracing is off. */
  readonly #traced = new Map<number, Span>();
  #joining: LiveWatch[] = [];
  #losing: { readonly watch: LiveWatch; readonly failure: Failure }[] = [];
  #flushing = false;
  #unflushed = new Set<Group>();
  #ticking = false;
  #closed = false;
  readonly #subscriptions: Subscription[];
  readonly #stopSweep: () => void;

  constructor(options: FeedOptions) {
    this.#bus = options.bus;
    this.#settings = { ...FEED_DEFAULTS, ...options.settings };
    this.#around = options.surroundings ?? processSurroundings;
    this.#onThrown = options.onThrown ?? (() => {});
    const parts = { bus: this.#bus, settings: this.#settings, around: this.#around, stats: this.#stats };
    this.#queue = new FeedQueue({
      ...parts,
      now: () => this.#around.now(),
      give: (watch, change) => this.#give(watch, change),
      waits: (group) => this.#waits(group),
    });
    this.#own = new OwnChanges(this.#stats);
    this.#fetch = new FeedFetch({
      ...parts,
      queue: this.#queue,
      filled: () => this.#soon(),
      lost: (entry, failure) => {
        for (const group of entry.groups) this.#loseGroup(group, failure);
      },
    });
    this.#gate = new FeedGate({
      ...parts,
      owner: {
        announce: (from, keys) => this.#announce(from, keys),
        fetched: (changes, to) => this.#fetched(changes, to),
        interests: () => this.#liveInterests(),
        lost: (failure) => this.#loseAll(failure),
        room: () => this.#queue.pending < this.#settings.maxPending / 2 && this.#queue.dueBytes < this.#settings.maxStagedBytes / 2,
        roomForHead: () => this.#queue.pending < this.#settings.maxPending,
        moved: () => this.#soon(),
      },
    });
    this.#subscriptions = [
      this.#bus.subscribe(graphHead, graphHead.pattern({}), (head) => this.#gate.head(head)),
      this.#bus.onStatus((status) => {
        if (status === 'disconnected') this.#gate.disconnected();
        else this.#connected();
      }),
    ];
    this.#stopSweep = this.#around.every(this.#settings.sweepMs, () => this.#sweep());
    this.#gate.start();
  }

  get stats(): Readonly<FeedStats> {
    this.#stats.position = this.#gate.position;
    this.#stats.stagedBytes = this.#queue.bytes;
    this.#stats.pending = this.#queue.pending;
    this.#stats.interests = this.#groups.size;
    this.#stats.headAgeMs = this.#gate.headAgeMs;
    return this.#stats;
  }

  watch(interest: Interest, handler: WatchHandler): Watch {
    const name = interestName(interest);
    const known = this.#groups.get(name);
    const group = known ?? new Group(name, interest);
    // Above every seq: a change that is on its way to the group's other watches is not this one's.
    const watch: LiveWatch = {
      handler,
      group,
      since: this.#around.now(),
      position: Number.POSITIVE_INFINITY,
      ended: false,
      closed: false,
    };
    if (this.#closed || (known === undefined && this.#groups.size >= this.#settings.maxInterests)) {
      watch.ended = true;
      const code = this.#closed ? 'unavailable' : 'limited';
      const lost = { watch, failure: failed(code, 'no further interest can be watched here').failure };
      if (!this.#closed) this.#losing.push(lost);
      this.#soon();
      return { close: () => this.#closeWatch(watch) };
    }
    group.watches.add(watch);
    this.#stats.watches += 1;
    this.#joining.push(watch);
    if (known === undefined) this.#subscribe(group);
    this.#soon();
    return { close: () => this.#closeWatch(watch) };
  }

  whenDelivered(epoch: string, seq: number, timeoutMs: number, callback: (reached: boolean) => void): Watch {
    if (this.#gate.hasLeft(epoch) || (epoch === this.#gate.epoch && seq <= this.#own.reached)) {
      callback(true);
      return { close: () => {} };
    }
    const until = this.#around.now() + timeoutMs;
    return this.#own.wait({ epoch, seq, until, callback });
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#stopSweep();
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
    this.#gate.close();
    this.#fetch.clear();
    for (const group of this.#groups.values()) {
      for (const watch of group.watches) watch.ended = true;
      group.subscription?.unsubscribe();
      group.closed = true;
    }
    this.#groups.clear();
    this.#queue.clear();
    this.#own.clear();
    this.#joining = [];
    this.#losing = [];
  }

  /** A change that belongs to a trace: its span lasts from here until it is given to whoever watches. */
  #trace(seq: number, traceparent: string): void {
    if (this.#traced.has(seq) || this.#traced.size >= MAX_TRACED) return;
    const span = this.#bus.spans?.step('deliver change', traceparent);
    if (span !== undefined) this.#traced.set(seq, span);
  }

  #subscribe(group: Group): void {
    this.#groups.set(group.name, group);
    group.subscription = this.#bus.subscribe(graphChanged, graphChanged.pattern(group.interest), (change, _subject, bytes, traceparent) => {
      if (traceparent !== undefined) this.#trace(change.seq, traceparent);
      this.#arrive(change, bytes);
    });
    this.#unflushed.add(group);
    this.#flush();
  }

  /** One round trip for all that were subscribed since the last one began. */
  #flush(): void {
    if (this.#flushing || this.#unflushed.size === 0 || this.#bus.status !== 'connected') return;
    this.#flushing = true;
    const groups = this.#unflushed;
    this.#unflushed = new Set();
    void this.#bus.flush(this.#settings.requestTimeoutMs).then((outcome) => {
      this.#flushing = false;
      if (this.#closed) return;
      for (const group of groups) {
        if (group.closed) continue;
        if (outcome.ok) group.flushed = true;
        else this.#unflushed.add(group);
      }
      // After a failure the sweep or the next connection tries again.
      if (outcome.ok) this.#flush();
      this.#soon();
    });
  }

  #connected(): void {
    this.#gate.connected();
    for (const group of this.#unflushed) group.flushed = true;
    this.#unflushed.clear();
    this.#soon();
  }

  #arrive(change: Change, bytes: number): void {
    if (change.epoch !== this.#gate.epoch) return;
    this.#queue.arrive(change.seq, isFull(change) ? change : undefined, bytes, this.#gate.position);
  }

  #announce(from: number, keys: readonly (readonly number[])[]): void {
    for (let at = 0; at < keys.length; at += 1) {
      const missing = this.#queue.announce(from + at, keys[at] ?? []);
      if (missing !== undefined) this.#fetch.want(missing);
    }
  }

  #fetched(changes: readonly Change[], to: number): void {
    for (const change of changes) {
      this.#stats.fetchedChanges += 1;
      const full = isFull(change) ? change : undefined;
      const bytes = full === undefined ? 0 : JSON.stringify(full).length;
      const missing = this.#queue.announceWhole(change.seq, keysOf(change), full, bytes);
      if (missing !== undefined) this.#fetch.want(missing);
    }
    this.#queue.forget(to);
  }

  #liveInterests(): Interest[] {
    const interests: Interest[] = [];
    for (const group of this.#groups.values()) if (group.live) interests.push(group.interest);
    return interests;
  }

  #soon(): void {
    if (this.#ticking || this.#closed) return;
    this.#ticking = true;
    this.#around.soon(() => this.#tick());
  }

  #tick(): void {
    this.#ticking = false;
    if (this.#closed) return;
    this.#tellLost();
    const joinsLeft = this.#join();
    const changesLeft = this.#queue.run();
    if (this.#closed) return;
    const { epoch } = this.#gate;
    if (epoch !== undefined) {
      this.#own.reach(epoch, this.#queue.deliveredTo(this.#gate.position));
      this.#fetch.pump(epoch);
    }
    this.#gate.resume();
    if (joinsLeft || changesLeft || this.#losing.length > 0) this.#soon();
  }

  /** Watches whose subscription reached the server go live at the feed's position. Not while the gate is closed: a range that is being
   * fetched would not contain theirs. */
  #join(): boolean {
    const { epoch } = this.#gate;
    if (this.#joining.length === 0 || epoch === undefined) return false;
    const joining = this.#joining;
    this.#joining = [];
    const until = this.#around.now() + this.#settings.maxTickMs;
    for (let at = 0; at < joining.length; at += 1) {
      const watch = joining[at];
      if (watch === undefined || watch.ended) continue;
      const { group } = watch;
      if (at % JOINS_PER_CLOCK_LOOK === JOINS_PER_CLOCK_LOOK - 1 && this.#around.now() >= until) {
        for (const rest of joining.slice(at)) this.#joining.push(rest);
        return true;
      }
      if (!group.live && (!group.flushed || !this.#gate.open)) {
        this.#joining.push(watch);
        continue;
      }
      if (!group.live) this.#queue.join(group);
      watch.position = this.#gate.position;
      this.#guard(watch, () => watch.handler.live(watch.position, epoch));
      if (group.waitsFor !== undefined) this.#tellWaits(watch, group.waitsFor);
    }
    return false;
  }

  #waits(group: Group): void {
    const { waitsFor } = group;
    for (const watch of group.watches) if (watch.position !== Number.POSITIVE_INFINITY) this.#tellWaits(watch, waitsFor);
  }

  #tellWaits(watch: LiveWatch, seq: number | undefined): void {
    const { handler } = watch;
    if (handler.waits !== undefined && !watch.ended) this.#guard(watch, () => handler.waits?.(seq));
  }

  #give(watch: LiveWatch, change: FullChange): void {
    this.#stats.delivered += 1;
    const span = this.#traced.size === 0 ? undefined : this.#traced.get(change.seq);
    try {
      if (span === undefined) watch.handler.change(change);
      else span.run(() => watch.handler.change(change));
    } catch (error) {
      this.#threw(watch, error);
    }
  }

  #guard(watch: LiveWatch, call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#threw(watch, error);
    }
  }

  #threw(watch: LiveWatch, error: unknown): void {
    this.#stats.thrown += 1;
    this.#onThrown(error);
    this.#lose(watch, failed('internal').failure);
  }

  #tellLost(): void {
    const losing = this.#losing;
    this.#losing = [];
    for (const { watch, failure } of losing) {
      if (watch.closed) continue;
      this.#stats.lost += 1;
      try {
        watch.handler.lost(failure);
      } catch (error) {
        this.#stats.thrown += 1;
        this.#onThrown(error);
      }
    }
  }

  /** Ends a watch now, and tells its handler in the next tick. */
  #lose(watch: LiveWatch, failure: Failure): void {
    if (watch.ended) return;
    this.#end(watch);
    this.#losing.push({ watch, failure });
    this.#soon();
  }

  #loseGroup(group: Group, failure: Failure): void {
    for (const watch of [...group.watches]) this.#lose(watch, failure);
  }

  #loseAll(failure: Failure): void {
    for (const group of [...this.#groups.values()]) {
      // Who is not live yet has no history to lose.
      for (const watch of [...group.watches]) if (watch.position !== Number.POSITIVE_INFINITY) this.#lose(watch, failure);
      if (!group.closed) this.#queue.unjoin(group);
    }
    this.#queue.clear();
    this.#fetch.clear();
    this.#own.moveOn();
    this.#soon();
  }

  #closeWatch(watch: LiveWatch): void {
    watch.closed = true;
    if (!watch.ended) this.#end(watch);
  }

  #end(watch: LiveWatch): void {
    watch.ended = true;
    const { group } = watch;
    group.watches.delete(watch);
    this.#stats.watches -= 1;
    if (group.watches.size > 0) return;
    this.#groups.delete(group.name);
    this.#unflushed.delete(group);
    group.subscription?.unsubscribe();
    this.#queue.leave(group);
  }

  #sweep(): void {
    this.#gate.sweep();
    for (const [seq, span] of this.#traced) if (seq <= this.#gate.position) this.#traced.delete(seq) && span.end('ok');
    const now = this.#around.now();
    this.#own.sweep(now);
    for (const watch of this.#joining) {
      if (!watch.ended && now - watch.since >= this.#settings.joinTimeoutMs)
        this.#lose(watch, failed('unavailable', 'the feed cannot be joined now').failure);
    }
    this.#joining = this.#joining.filter(({ ended }) => !ended);
    this.#flush();
  }
}
