/** Driver of the feed machine (`machine.ts`): carries out its effects over the bus and calls the handlers of its watches. */
import { graphChanged, graphChanges, graphHead, graphPosition } from '@polyedge/contracts/bus/feed';
import type { Failure } from '@polyedge/contracts/errors';
import type { Interest } from '@polyedge/contracts/interest';
import type { Bus, Subscription } from '@polyedge/service-kit/bus';
import type { Span } from '@polyedge/service-kit/spans';
import { processSurroundings, type Surroundings } from '@polyedge/service-kit/surroundings';
import { FeedMachine } from './machine.ts';
import type { FeedEffect, FeedInput, FeedTimer } from './messages.ts';
import { FEED_DEFAULTS, type FeedSettings, type FeedStats } from './settings.ts';
import type { Feed, Watch, WatchHandler } from './watch.ts';

export interface FeedOptions {
  readonly bus: Bus;
  readonly settings?: Partial<FeedSettings>;
  readonly surroundings?: Surroundings;
  /** Called with an exception of a handler, which is a bug. The watch ends with `lost` (`internal`). */
  readonly onThrown?: (error: unknown) => void;
}

/** A feed with its statistics and its end. */
export interface LiveFeed extends Feed {
  readonly stats: Readonly<FeedStats>;
  /** These tenants have moved to another journal: their watches end with `lost`. */
  moved(tenants: ReadonlySet<string>): void;
  /** Closes the feed: no handler is called afterwards. */
  close(): void;
}

/** Opens the feed of one journal on that journal's bus. It subscribes to the heads at once and determines its position itself. */
export function openFeed(options: FeedOptions): LiveFeed {
  return new FeedDriver(options);
}

/** Maximum number of open spans of changes; further changes are not traced. */
const MAX_TRACED = 1000;

class FeedDriver implements LiveFeed {
  readonly #bus: Bus;
  readonly #settings: FeedSettings;
  readonly #around: Surroundings;
  readonly #onThrown: (error: unknown) => void;
  readonly #machine: FeedMachine;
  readonly #handlers = new Map<number, WatchHandler>();
  readonly #waiters = new Map<number, (reached: boolean) => void>();
  readonly #timers = new Map<FeedTimer, () => void>();
  readonly #subscriptions = new Map<string, Subscription>();
  /** Spans of changes that are not delivered yet, by seq; empty if tracing is off. */
  readonly #traced = new Map<number, Span>();
  readonly #ends: (() => void)[];
  #names = 0;
  #isTurnDue = false;
  #isClosed = false;

  constructor(options: FeedOptions) {
    this.#bus = options.bus;
    this.#settings = { ...FEED_DEFAULTS, ...options.settings };
    this.#around = options.surroundings ?? processSurroundings;
    this.#onThrown = options.onThrown ?? (() => {});
    this.#machine = new FeedMachine(this.#settings, this.#bus.status === 'connected', this.#around.now());
    const heads = this.#bus.subscribe(graphHead, graphHead.pattern({}), (head) => this.#handle({ kind: 'head', head }));
    const status = this.#bus.onStatus((now) => this.#handle({ kind: now }));
    const stopSweep = this.#around.every(this.#settings.sweepMs, () => this.#sweep());
    this.#ends = [() => heads.unsubscribe(), () => status.unsubscribe(), stopSweep];
    this.#handle({ kind: 'begin' });
  }

  get stats(): Readonly<FeedStats> {
    return this.#machine.stats(this.#around.now());
  }

  watch(interest: Interest, handler: WatchHandler): Watch {
    const watch = this.#newName();
    if (this.#isClosed) return { close: () => {} };
    this.#handlers.set(watch, handler);
    this.#handle({ kind: 'watch', watch, interest });
    return {
      close: () => {
        if (this.#handlers.delete(watch)) this.#handle({ kind: 'close', watch });
      },
    };
  }

  whenDelivered(_tenant: string, epoch: string, seq: number, timeoutMs: number, callback: (reached: boolean) => void): Watch {
    if (this.#machine.hasDelivered(epoch, seq)) {
      callback(true);
      return { close: () => {} };
    }
    const waiter = this.#newName();
    this.#waiters.set(waiter, callback);
    this.#handle({ kind: 'wait', waiter, epoch, seq, until: this.#around.now() + timeoutMs });
    return {
      close: () => {
        if (this.#waiters.delete(waiter)) this.#handle({ kind: 'stop-waiting', waiter });
      },
    };
  }

  moved(tenants: ReadonlySet<string>): void {
    this.#handle({ kind: 'moved', tenants });
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const end of this.#ends) end();
    for (const cancel of this.#timers.values()) cancel();
    for (const subscription of this.#subscriptions.values()) subscription.unsubscribe();
    this.#timers.clear();
    this.#subscriptions.clear();
    this.#handlers.clear();
    this.#waiters.clear();
  }

  #newName(): number {
    this.#names += 1;
    return this.#names;
  }

  #handle(input: FeedInput): void {
    if (this.#isClosed) return;
    for (const effect of this.#machine.handle(input, this.#around.now())) this.#perform(effect);
  }

  #perform(effect: FeedEffect): void {
    if (this.#isClosed) return;
    const { requestTimeoutMs: timeoutMs } = this.#settings;
    switch (effect.do) {
      case 'subscribe':
        this.#subscribe(effect.name, effect.interest);
        break;
      case 'unsubscribe':
        this.#subscriptions.get(effect.name)?.unsubscribe();
        this.#subscriptions.delete(effect.name);
        break;
      case 'flush':
        void this.#bus.flush(timeoutMs).then(({ ok }) => this.#handle({ kind: 'flushed', ok }));
        break;
      case 'request-position': {
        const { id } = effect;
        const answered = this.#bus.request(graphPosition, graphPosition.subject({}), {}, { timeoutMs });
        void answered.then((outcome) => this.#handle({ kind: 'position', id, outcome }));
        break;
      }
      case 'request-range': {
        const { do: _, id, interests, ...range } = effect;
        const body = { ...range, interests: [...interests] };
        const answered = this.#bus.request(graphChanges, graphChanges.subject({}), body, { timeoutMs });
        void answered.then((outcome) => this.#handle({ kind: 'range', id, outcome }));
        break;
      }
      case 'request-changes': {
        const { id, epoch, seqs } = effect;
        const answered = this.#bus.request(graphChanges, graphChanges.subject({}), { epoch, seqs: [...seqs] }, { timeoutMs });
        void answered.then((outcome) => this.#handle({ kind: 'changes', id, outcome }));
        break;
      }
      case 'wake':
        this.#wake(effect.timer, effect.ms + this.#around.random() * effect.spreadMs);
        break;
      case 'cancel':
        this.#timers.get(effect.timer)?.();
        this.#timers.delete(effect.timer);
        break;
      case 'hand-out-soon':
        this.#handOutSoon();
        break;
      case 'live':
        this.#call(effect.watch, (handler) => handler.live(effect.seq, effect.epoch));
        break;
      case 'deliver':
        this.#deliver(effect);
        break;
      case 'waits':
        this.#call(effect.watch, (handler) => handler.waits?.(effect.seq));
        break;
      case 'lost':
        this.#lost(effect.watch, effect.failure);
        break;
      case 'delivered': {
        const callback = this.#waiters.get(effect.waiter);
        this.#waiters.delete(effect.waiter);
        callback?.(effect.reached);
        break;
      }
    }
  }

  // ---- bus and clock

  #subscribe(name: string, interest: Interest): void {
    const pattern = graphChanged.pattern(interest);
    const subscription = this.#bus.subscribe(graphChanged, pattern, (change, _subject, bytes, traceparent) => {
      if (traceparent !== undefined) this.#trace(change.seq, traceparent);
      this.#handle({ kind: 'change', change, bytes });
    });
    this.#subscriptions.set(name, subscription);
  }

  #wake(timer: FeedTimer, ms: number): void {
    this.#timers.get(timer)?.();
    const cancel = this.#around.after(ms, () => {
      this.#timers.delete(timer);
      this.#handle({ kind: 'woken', timer });
    });
    this.#timers.set(timer, cancel);
  }

  #sweep(): void {
    this.#handle({ kind: 'sweep' });
    for (const [seq, span] of this.#traced) if (seq <= this.#machine.position) this.#traced.delete(seq) && span.end('ok');
  }

  // ---- delivery

  #handOutSoon(): void {
    if (this.#isTurnDue) return;
    this.#isTurnDue = true;
    this.#around.soon(() => this.#turn());
  }

  /** Delivers until nothing is left or the turn's time is used up. */
  #turn(): void {
    this.#isTurnDue = false;
    const until = this.#around.now() + this.#settings.maxTickMs;
    do this.#handle({ kind: 'hand-out' });
    while (!this.#isClosed && this.#machine.hasMore && this.#around.now() < until);
    this.#handle({ kind: 'turn-end' });
  }

  #deliver({ watches, change }: Extract<FeedEffect, { do: 'deliver' }>): void {
    const span = this.#traced.size === 0 ? undefined : this.#traced.get(change.seq);
    for (const watch of watches) {
      const handler = this.#handlers.get(watch);
      if (handler === undefined) continue;
      try {
        if (span === undefined) handler.change(change);
        else span.run(() => handler.change(change));
      } catch (error) {
        this.#threw(watch, error);
      }
    }
    // Watches that get it later, because another interest of theirs waits, are not traced.
    if (this.#traced.delete(change.seq)) span?.end('ok');
  }

  /** Does nothing for a watch that was closed meanwhile. */
  #call(watch: number, call: (handler: WatchHandler) => void): void {
    const handler = this.#handlers.get(watch);
    if (handler === undefined) return;
    try {
      call(handler);
    } catch (error) {
      this.#threw(watch, error);
    }
  }

  #lost(watch: number, failure: Failure): void {
    const handler = this.#handlers.get(watch);
    this.#handlers.delete(watch);
    try {
      handler?.lost(failure);
    } catch (error) {
      this.#threw(watch, error);
    }
  }

  #threw(watch: number, error: unknown): void {
    this.#onThrown(error);
    this.#handle({ kind: 'failed', watch });
  }

  /** Starts the span of a traced change, which lasts until the change is delivered, or found to be of no watch. */
  #trace(seq: number, traceparent: string): void {
    if (seq <= this.#machine.position || this.#traced.has(seq) || this.#traced.size >= MAX_TRACED) return;
    const span = this.#bus.spans?.step('deliver change', traceparent);
    if (span !== undefined) this.#traced.set(seq, span);
  }
}
