/** The subscriptions of one connection, by the ids that its session chose. */
import type { FullChange } from '@polyedge/contracts/change';
import type { Failure } from '@polyedge/contracts/errors';
import type { Interest } from '@polyedge/contracts/interest';
import type { Filter } from '@polyedge/query/filter';
import type { ChangeMatch, Effect, Input, View } from '@polyedge/session/session';
import type { Sink } from '../fanout/broadcaster.ts';
import type { Watch } from '../feed/watch.ts';
import type { Packet } from '../transport/wire.ts';
import type { Environment } from './environment.ts';
import type { WriteOrdering } from './write-ordering.ts';

interface SubscriptionEntry {
  /** Tenant whose changes it delivers; undefined for plain messages. */
  readonly tenant: string | undefined;
  readonly onBroadcaster: boolean;
  open: boolean;
  /** Waits for deliveries; only with `when-delivered`. */
  waiting?: Watch;
  close(): void;
}

/** Interval after which `when-delivered` queries the feed again. */
const DELIVERED_MS = 10_000;

export interface SubscriptionsOptions<Raw, In, Out, P extends Packet> {
  readonly env: Environment<Raw, In, Out, P>;
  readonly sink: Sink<P>;
  step(input: Input<In>): void;
  /** The order of own changes; undefined before the first request or write. */
  own(): WriteOrdering | undefined;
  /** A subscription of the broadcaster has ended: its queued frames must be dropped. */
  leftBroadcaster(): void;
}

export class ConnectionSubscriptions<Raw, In, Out, P extends Packet> {
  readonly #options: SubscriptionsOptions<Raw, In, Out, P>;
  readonly #entries = new Map<string, SubscriptionEntry>();

  get size(): number {
    return this.#entries.size;
  }

  constructor(options: SubscriptionsOptions<Raw, In, Out, P>) {
    this.#options = options;
  }

  /** Subscribes to an interest; a subscription that has the same id ends first. */
  subscribe({ id, to, view, where, since }: Extract<Effect<Out>, { do: 'subscribe' }>): void {
    if (!this.#mayHold(id)) return;
    if (view === undefined) this.#watch(id, to, where);
    else this.#subscribeAtBroadcaster(id, to, view, since);
  }

  listen(id: string, subject: string, atMost = Number.POSITIVE_INFINITY): void {
    if (!this.#mayHold(id)) return;
    const { env, step } = this.#options;
    if (env.sharedSubscriptions.listeners(subject) >= atMost) {
      step({ kind: 'lost', id, failure: { code: 'limited', detail: 'too many connections listen to this' } });
      return;
    }
    const subscription = env.sharedSubscriptions.listen(subject, (body) => step({ kind: 'message', id, body }));
    this.#entries.set(id, { tenant: undefined, onBroadcaster: false, open: true, close: () => subscription.unsubscribe() });
  }

  unsubscribe(id: string): void {
    const held = this.#entries.get(id);
    if (held === undefined) return;
    this.#entries.delete(id);
    end(held);
    if (held.onBroadcaster) this.#options.leftBroadcaster();
  }

  /** Notifies the session once every change of a subscription up to `seq` has been delivered. Ignored for an unknown id. */
  whenDelivered(effect: Extract<Effect<Out>, { do: 'when-delivered' }>): void {
    const { env, step, own } = this.#options;
    const held = this.#entries.get(effect.id);
    if (held?.tenant === undefined) return;
    held.waiting?.close();
    const notify = (): void => {
      if (held.open) step({ kind: 'timer', name: effect.name });
    };
    held.waiting = env.feed.whenDelivered(held.tenant, effect.epoch, effect.seq, DELIVERED_MS, (reached) => {
      if (!held.open) return;
      if (!reached) this.whenDelivered(effect);
      else {
        // After the changes that wait for the answer to one of this session's writes.
        const order = own();
        if (order === undefined) notify();
        else order.offer(undefined, notify);
      }
    });
  }

  /** Whether any of them could deliver changes of this tenant. Not exact, because heads arrive quickly anyway. */
  watches(tenant: string): boolean {
    for (const held of this.#entries.values()) if (held.tenant === tenant) return true;
    return false;
  }

  end(): void {
    for (const held of this.#entries.values()) end(held);
    this.#entries.clear();
  }

  #watch(id: string, to: Interest, where: Filter | undefined): void {
    const { env, step, own } = this.#options;
    const offer = (operation: string | undefined, input: Input<In>, open: () => boolean): void => {
      const run = (): void => {
        if (open()) step(input);
      };
      const order = own();
      if (order === undefined) run();
      else order.offer(operation, run);
    };
    const isOpen = (): boolean => held.open;
    const handler = {
      live: (seq: number, epoch: string) => offer(undefined, { kind: 'subscribed', id, seq, epoch }, isOpen),
      change: (change: FullChange, match?: ChangeMatch) =>
        offer(change.operationId, { kind: 'event', id, change, ...(match === undefined ? {} : { match }) }, isOpen),
      lost: (failure: Failure) => {
        if (!held.open) return;
        this.#entries.delete(id);
        // Nothing follows it, so it is delivered whatever has happened to the subscription meanwhile.
        offer(undefined, { kind: 'lost', id, failure }, () => true);
      },
    };
    // It may go live within the call that opens it.
    const held: SubscriptionEntry = { tenant: to.tenant, onBroadcaster: false, open: true, close: () => watch?.close() };
    let watch: Watch | undefined;
    this.#entries.set(id, held);
    watch = where === undefined ? env.feed.watch(to, handler) : env.filteredSubscriptions.watch(to, where, handler);
  }

  #subscribeAtBroadcaster(id: string, to: Interest, view: View, since: { readonly seq: number; readonly epoch: string } | undefined): void {
    const { env, sink, step } = this.#options;
    const handler = {
      live: (seq: number, epoch: string) => step({ kind: 'subscribed', id, seq, epoch }),
      lost: (failure: Failure) => {
        this.#entries.delete(id);
        step({ kind: 'lost', id, failure });
      },
    };
    const subscription = env.broadcasters.subscribe(to, view, sink, handler, since);
    this.#entries.set(id, { tenant: to.tenant, onBroadcaster: true, open: true, close: () => subscription.close() });
  }

  /** Ends the subscription that has this id; returns false and notifies the session if there are too many. */
  #mayHold(id: string): boolean {
    this.unsubscribe(id);
    if (this.#entries.size < this.#options.env.limits.maxSubscriptions) return true;
    this.#options.step({ kind: 'lost', id, failure: { code: 'limited', detail: 'too many subscriptions on this connection' } });
    return false;
  }
}

function end(held: SubscriptionEntry): void {
  held.open = false;
  held.waiting?.close();
  held.close();
}
