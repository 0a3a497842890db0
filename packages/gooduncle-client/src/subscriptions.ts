/** Subscriptions with their rows, restored after the connection or the server has ended them. */

import { failure, failureOf } from './failure.ts';
import type { Row } from './order.ts';
import { LiveResult, type Shape } from './result.ts';
import type { Failure, RowChange, SubscriptionState, Update } from './types.ts';
import type { Response } from './wire.ts';

/** The request, without its `subscription`, as JSON text. */
export interface SubscriptionRequest extends Shape {
  readonly text: string;
  /** Fields to omit from shown rows: requested only for sorting. */
  readonly hidden: readonly string[];
}

/** The session, as its subscriptions see it. */
export interface Host {
  /** Sends a subscribe request, not before `notBefore`. */
  subscribe(subscription: {
    readonly id: number;
    readonly order: number;
    readonly name: string;
    readonly text: string;
    readonly notBefore: number;
  }): void;
  /** Sends an unsubscribe request, or cancels an unsent subscribe request. */
  withdraw(name: string): void;
  slowDown(): void;
  notify(id: number, update: Update<Row>): void;
  backOffMs(failures: number): number;
  /** Starts a new session. */
  reconnect(why: string): void;
}

interface ClientSubscription {
  readonly id: number;
  readonly order: number;
  readonly wanted: SubscriptionRequest;
  /** The server's id of it: no id is used twice in a session. */
  name: string;
  state: SubscriptionState;
  /** The application's rows. */
  shown: LiveResult | undefined;
  /** Original matches received so far. */
  loading: LiveResult | undefined;
  /** The next expected `seq`. */
  seq: number;
  version: number;
  /** The newest position from which the server can resume; empty for none. */
  since: string;
  rows: readonly Row[];
  /** Number of consecutive failures, and the time when it was synced. */
  failures: number;
  syncedAt: number;
}

/** The server accepts 10,000 ids per session, including those of ended subscriptions. */
const MANY_NAMES = 5000;
/** Time after being synced that resets the count of failures. */
const HEALTHY_MS = 10_000;
const NO_ROWS: readonly Row[] = Object.freeze([]);

export class Subscriptions {
  readonly #host: Host;
  readonly #byId = new Map<number, ClientSubscription>();
  readonly #byName = new Map<string, ClientSubscription>();
  readonly #presented = new WeakMap<Row, Row>();
  #names = 0;
  /** Number of ids from earlier sessions. */
  #oldNames = 0;

  constructor(host: Host) {
    this.#host = host;
  }

  add(id: number, order: number, wanted: SubscriptionRequest): void {
    const subscription: ClientSubscription = {
      ...{
        id,
        order,
        wanted,
        name: '',
        state: 'loading',
        shown: undefined,
        loading: undefined,
        seq: 0,
        version: 0,
        since: '',
        rows: NO_ROWS,
      },
      ...{ failures: 0, syncedAt: 0 },
    };
    this.#byId.set(id, subscription);
    this.#begin(subscription, 0);
  }

  remove(id: number): void {
    const subscription = this.#byId.get(id);
    if (subscription === undefined) return;
    this.#forget(subscription);
    this.#host.withdraw(subscription.name);
  }

  /** The connection has ended: all subscriptions are requested again. */
  lost(): void {
    this.#oldNames = this.#names;
    for (const subscription of this.#byId.values()) this.#restart(subscription, 0, undefined);
  }

  /** Ends all subscriptions permanently. */
  close(why: Failure): void {
    for (const subscription of [...this.#byId.values()]) this.end(subscription.id, why);
  }

  end(id: number, why: Failure): void {
    const subscription = this.#byId.get(id);
    if (subscription === undefined) return;
    subscription.state = 'ended';
    this.#forget(subscription);
    this.#notify(subscription, undefined, why);
  }

  take(name: string, response: Response, at: number): void {
    const subscription = this.#byName.get(name);
    if (subscription === undefined) return;
    if (response.code !== 'ok') {
      this.#ended(subscription, response, at);
      return;
    }
    const isNext = response.seq === subscription.seq;
    subscription.seq += 1;
    if (!isNext || !this.#apply(subscription, response, at)) {
      this.#host.withdraw(name);
      subscription.since = '';
      this.#again(subscription, failure('error', 'an event was missing: the rows are read again'), at);
    }
  }

  /** @returns whether the event fits */
  #apply(subscription: ClientSubscription, response: Response, at: number): boolean {
    const { event, payload, position, synced, version, since } = response;
    // It resumes: only missed events are sent, and the rows are kept.
    if (response.seq === 0 && event !== 'original match' && response.count !== 0) subscription.loading = subscription.shown;
    const { loading } = subscription;
    const result = loading ?? subscription.shown;
    let change: RowChange<Row> | undefined;
    if (event !== undefined && result !== undefined) {
      change = result.apply(event, payload, position, loading !== undefined && loading === subscription.shown);
      if (change === undefined) return false;
    }
    subscription.since = since ?? subscription.since;
    if (loading === undefined) {
      subscription.version = version ?? subscription.version;
      this.#present(subscription);
      this.#notify(subscription, change === undefined ? undefined : { ...change, row: this.#shownAs(change.row, subscription.wanted) });
    } else if (synced === true) {
      subscription.shown = loading;
      subscription.loading = undefined;
      subscription.version = version ?? subscription.version;
      subscription.state = 'synced';
      subscription.syncedAt = at;
      this.#present(subscription);
      this.#notify(subscription, 'reset');
    }
    return true;
  }

  #ended(subscription: ClientSubscription, response: Response, at: number): void {
    const why = failureOf(response);
    if (response.code === 'slow down') {
      this.#host.slowDown();
      this.#restart(subscription, 0, why);
    } else if (response.code === 'error') {
      // The client read too slowly, or the store failed: both may be temporary.
      this.#again(subscription, why, at);
    } else if (why.problems.some(({ reason }) => reason === 'limit') && this.#names - this.#oldNames > MANY_NAMES) {
      this.#host.reconnect('the session had no more names for subscriptions');
    } else {
      this.end(subscription.id, why);
    }
  }

  #again(subscription: ClientSubscription, why: Failure, at: number): void {
    if (subscription.state === 'synced' && at - subscription.syncedAt > HEALTHY_MS) subscription.failures = 0;
    const notBefore = at + this.#host.backOffMs(subscription.failures);
    subscription.failures += 1;
    this.#restart(subscription, notBefore, why);
  }

  #restart(subscription: ClientSubscription, notBefore: number, why: Failure | undefined): void {
    this.#byName.delete(subscription.name);
    const wasSynced = subscription.state === 'synced';
    if (wasSynced) subscription.state = 'stale';
    this.#begin(subscription, notBefore);
    if (wasSynced || why !== undefined) this.#notify(subscription, undefined, why);
  }

  #begin(subscription: ClientSubscription, notBefore: number): void {
    this.#names += 1;
    subscription.name = `s${this.#names}`;
    subscription.seq = 0;
    subscription.loading = new LiveResult(subscription.wanted);
    this.#byName.set(subscription.name, subscription);
    const { id, order, name, wanted, since } = subscription;
    this.#host.subscribe({ id, order, name, text: `${wanted.text.slice(0, -1)},"since":"${since}"}`, notBefore });
  }

  #forget(subscription: ClientSubscription): void {
    this.#byId.delete(subscription.id);
    this.#byName.delete(subscription.name);
  }

  #notify({ id, rows, state, version }: ClientSubscription, change: RowChange<Row> | 'reset' | undefined, why?: Failure): void {
    this.#host.notify(id, { rows, state, version, change, failure: why });
  }

  #present(subscription: ClientSubscription): void {
    const { shown, wanted } = subscription;
    subscription.rows = Object.freeze((shown?.rows ?? []).map((row) => this.#shownAs(row, wanted)));
  }

  /** Unchanged rows keep their object identity, so that lists can be rendered cheaply. */
  #shownAs(row: Row, { hidden }: SubscriptionRequest): Row {
    if (hidden.length === 0) return row;
    let presented = this.#presented.get(row);
    if (presented === undefined) {
      const shown = Object.entries(row).filter(([name]) => !hidden.includes(name));
      presented = { ...Object.fromEntries(shown), id: row.id };
      this.#presented.set(row, presented);
    }
    return presented;
  }
}
