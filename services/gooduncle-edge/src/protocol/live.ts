/**
 * One subscription (protocol page 3.7 and section 4). It starts without a gap: first the changes are watched, then the snapshot is read,
 * which contains the changes up to its `seq`; later changes follow. Nothing here waits or sends by itself.
 */
import type { FullChange } from '@polyedge/contracts/change';
import type { Element } from '@polyedge/contracts/element';
import type { Filter } from '@polyedge/query/filter';
import { compareBy, type Sort } from '@polyedge/query/query';
import type { Allowed } from './access.ts';
import { EarlyChanges } from './early-changes.ts';
import type { Echo, ResponseMeta } from './envelope.ts';
import type { LiveEvent, LiveEventCache, MatchedChange, QueryView } from './live-event.ts';
import { LiveWindow, type WindowOwner } from './live-window.ts';
import { type KeptTotals, MergedEvents } from './merged-events.ts';
import { MAX_MISSED_CHANGES, MissedEvents, markOf, seqOf } from './missed.ts';
import { type ErrorResponse, problem, refusal } from './problems.ts';
import { Throttle } from './throttle.ts';
import { Window } from './window.ts';

/** The session, as its subscriptions see it. */
export interface Host {
  /** Sends an `ok` answer of this subscription. */
  emit(live: Live, payload: string, meta: ResponseMeta, passport: string): void;
  /** Ends it with a last answer. */
  end(live: Live, refusal: ErrorResponse): void;
  /** Reads rows of its query that reflect at least `atLeast`; the outcome is passed to `live.rows`. */
  read(live: Live, limit: number, atLeast: number): void;
  /** Reads changes of its type in a range of seqs; they are passed to `live.missed`, or `live.unmissed` is called. */
  changes(live: Live, epoch: string, after: number, upTo: number): void;
  /** Calls `live.delivered` when every change up to `seq` was delivered to it. */
  whenDelivered(live: Live, epoch: string, seq: number): void;
  /** Calls `flush` within `ms` milliseconds. */
  wake(ms: number): void;
  /** Whether the client has so much unread data that new events should be merged. */
  readonly congested: boolean;
  /** Pending events of all subscriptions of the session, for a slow client. */
  readonly kept: KeptTotals;
  readonly liveEvents: LiveEventCache;
  /** JSON text of the passport of a commit. */
  passportOf(change: FullChange): string;
  /** JSON text of the passport of events that belong to no particular commit. */
  passport(): string;
}

export interface LiveOptions {
  /** The client's id of it. */
  readonly subscription: string;
  /** The session's id of it, used for its watch and its requests. */
  readonly key: string;
  readonly echo: Echo;
  readonly topic: string;
  /** The type of its rows. */
  readonly type: string;
  readonly queryView: QueryView;
  /** The common filter of the query's living rows. */
  readonly where: Filter;
  /** The rules under which it was created. */
  readonly rules: readonly Allowed[];
  /** Everything that decides what is shown, as text, to detect whether new rules change it. */
  readonly rulesText: string;
  readonly initial: boolean;
  readonly throttleMs: number;
  readonly sort: readonly Sort[] | undefined;
  readonly limit: number | undefined;
  /** The position to resume from, empty for none; undefined: the client does not want positions. */
  readonly since: string | undefined;
  /** The identity of a position's history: equal only for the same epoch, query and rules. */
  history(epoch: string): string;
}

/** Maximum number of original matches of a subscription without a limit. */
const MAX_MATCHES = 10_000;
const BY_CREATION: readonly Sort[] = [{ path: ['created', 'on'], order: 'asc' }];

export class Live implements WindowOwner {
  readonly options: LiveOptions;
  /** The beginning of its answers, and the state of the session's roles that it was made for. */
  head: { readonly text: string; readonly roles: number } | undefined;
  seq = 0;
  readonly #host: Host;
  readonly #pending: MergedEvents;
  readonly #throttle: Throttle;
  #state: 'opening' | 'reading' | 'live' | 'ended' = 'opening';
  readonly #early = new EarlyChanges();
  /** The snapshot's seq: it contains all changes up to it. */
  #from = 0;
  /** Every change up to here was applied. */
  #handled = 0;
  #epoch = '';
  /** The history of its positions; undefined while it sends none. */
  #history: string | undefined;
  /** The catch-up in progress. */
  #missed: MissedEvents | undefined;
  #window: LiveWindow | undefined;
  /** The newest commit sent to the client. Pending events are sent with this version: had the resource changed since, they would say so. */
  #version = 0;
  constructor(options: LiveOptions, host: Host) {
    this.options = options;
    this.#host = host;
    this.#pending = new MergedEvents(host.kept);
    this.#throttle = new Throttle(options.throttleMs);
  }

  get ended(): boolean {
    return this.#state === 'ended';
  }

  get sort(): readonly Sort[] {
    return this.options.sort ?? BY_CREATION;
  }

  get congested(): boolean {
    return this.#host.congested;
  }

  emit(payload: string, meta: ResponseMeta, passport: string): void {
    this.#host.emit(this, payload, meta, passport);
  }

  read(limit: number, atLeast: number): void {
    this.#host.read(this, limit, atLeast);
  }

  whenDelivered(seq: number): void {
    this.#host.whenDelivered(this, this.#epoch, seq);
  }

  wake(ms: number): void {
    this.#host.wake(ms);
  }

  /** Stops: nothing more is sent. */
  stop(): void {
    this.#state = 'ended';
    this.#early.take();
    this.#pending.clear();
  }

  /** The watch is live: every change after `seq` will be delivered. */
  watched(seq: number, epoch: string): void {
    if (this.#state !== 'opening') return;
    this.#epoch = epoch;
    const { initial, limit, since, where, history } = this.options;
    // A window cannot be restored from events alone.
    if (since !== undefined && limit === undefined) {
      this.#history = history(epoch);
      const after = seqOf(since, this.#history);
      if (after !== undefined && after <= seq && seq - after <= MAX_MISSED_CHANGES) {
        this.#state = 'reading';
        this.#missed = new MissedEvents(seq, where);
        this.#host.changes(this, epoch, after, seq);
        return;
      }
    }
    if (!initial && limit === undefined) {
      this.#from = seq;
      this.#begin(this.#host.passport(), seq);
      return;
    }
    this.#state = 'reading';
    this.read(limit === undefined ? MAX_MATCHES : limit * 2, seq);
  }

  /** The requested changes, complete up to `to`. */
  missed(changes: readonly FullChange[], to: number, at: number): void {
    const missed = this.#missed;
    if (this.#state !== 'reading' || missed === undefined) return;
    missed.add(changes, (matched) =>
      this.#host.liveEvents.of(matched, this.options.queryView, () => this.#host.passportOf(matched.change)),
    );
    if (missed.overflows) this.unmissed();
    else if (to < missed.upTo) this.#host.changes(this, this.#epoch, to, missed.upTo);
    else this.#continue(missed.events(), missed.upTo, at);
  }

  /** The changes are unavailable: the subscription starts with a snapshot. */
  unmissed(): void {
    const missed = this.#missed;
    if (this.#state !== 'reading' || missed === undefined) return;
    this.#missed = undefined;
    this.read(MAX_MATCHES, missed.upTo);
  }

  /** The requested rows: the snapshot, or more rows for the window. */
  rows(rows: readonly Element[], more: boolean, seq: number, passport: string, at: number): void {
    if (this.#state === 'reading') this.#snapshot(rows, more, seq, passport, at);
    else if (this.#state === 'live') this.#window?.refill(rows, more, seq, passport, at);
  }

  /**
   * A read of rows failed.
   * @returns whether the subscription can continue: it has sent its first rows, and retries
   */
  unread(at: number): boolean {
    return this.#state === 'live' && this.#window?.unread(at) === true;
  }

  /** The changes requested by `whenDelivered` were delivered. */
  delivered(at: number): void {
    if (this.#state === 'live') this.#window?.delivered(at);
  }

  change(matched: MatchedChange, at: number): void {
    switch (this.#state) {
      case 'opening':
      case 'reading':
        this.#early.add(matched, this.#host.liveEvents.charactersOf(matched.change));
        if (this.#early.overflows) this.#overflow(this.#early.size);
        break;
      case 'live':
        this.#apply(matched, at);
        break;
      case 'ended':
        break;
    }
  }

  /**
   * Sends pending events that are due.
   * @returns milliseconds until the next pending event is due, or undefined
   */
  flush(at: number): number | undefined {
    if (this.#state !== 'live') return undefined;
    if (this.#window !== undefined) return this.#window.flush(this.#host.passport(), at);
    let soonest: number | undefined;
    for (const id of [...this.#pending.ids()]) {
      if (this.#host.congested) return undefined;
      const waitMs = this.#throttle.waitMs(id, at);
      if (waitMs > 0) soonest = Math.min(soonest ?? waitMs, waitMs);
      else for (const one of this.#pending.take(id)) this.#send(one, at);
      if (this.ended) return undefined;
    }
    return soonest;
  }

  #snapshot(rows: readonly Element[], more: boolean, seq: number, passport: string, at: number): void {
    const { limit, sort, initial, queryView } = this.options;
    if (limit === undefined && more) {
      this.#host.end(this, refusal('forbidden', problem('limit', 'criteria', { message: `more than ${MAX_MATCHES} resources match` })));
      return;
    }
    this.#from = seq;
    if (limit !== undefined) this.#window = new LiveWindow(this, new Window(limit, compareBy(this.sort), rows, !more), seq);
    const shown = limit === undefined ? rows : rows.slice(0, limit);
    if (!initial || shown.length === 0) {
      this.#begin(passport, seq);
    } else {
      for (const [index, row] of shown.entries()) {
        const last = index === shown.length - 1;
        this.emit(
          JSON.stringify(queryView.projection.resource(row)),
          {
            event: 'original match',
            ...(last ? { synced: true, count: shown.length, ...this.#mark(seq) } : {}),
            version: seq,
            ...(sort === undefined ? {} : { position: { from: null, to: index } }),
          },
          passport,
        );
      }
      this.#state = 'live';
    }
    this.#resume(seq, at);
  }

  /** Sends only the missed events. */
  #continue(events: readonly LiveEvent[], seq: number, at: number): void {
    this.#missed = undefined;
    this.#from = seq;
    this.#state = 'live';
    const last = { synced: true, version: seq, ...this.#mark(seq) } as const;
    if (events.length === 0) this.emit('{}', last, this.#host.passport());
    for (const [index, { event, payload, version, passport }] of events.entries())
      this.emit(payload, { event, version, ...(index === events.length - 1 ? last : {}) }, passport);
    this.#resume(seq, at);
  }

  /** Applies the changes that arrived during the read. */
  #resume(seq: number, at: number): void {
    this.#handled = seq;
    this.#version = seq;
    for (const matched of this.#early.take()) this.change(matched, at);
    if (!this.ended) this.#window?.keepFull();
  }

  /** Everything up to `seq` was sent. */
  #mark(seq: number): Pick<ResponseMeta, 'since'> {
    return this.#history === undefined ? {} : { since: markOf(this.#history, seq) };
  }

  /** The single answer for an empty result. */
  #begin(passport: string, version: number): void {
    this.#state = 'live';
    this.#version = version;
    this.emit('{}', { synced: true, count: 0, version, ...this.#mark(version) }, passport);
  }

  #apply(matched: MatchedChange, at: number): void {
    const { change } = matched;
    if (change.seq <= this.#from || change.seq <= this.#handled) return;
    this.#handled = change.seq;
    if (this.#window !== undefined) {
      this.#window.change(
        matched,
        this.#host.liveEvents.passport(change, () => this.#host.passportOf(change)),
        at,
      );
      return;
    }
    const found = this.#host.liveEvents.of(matched, this.options.queryView, () => this.#host.passportOf(change));
    if (found === undefined) return;
    if (!this.#host.congested && !this.#pending.has(found.id) && this.#throttle.waitMs(found.id, at) <= 0) {
      // More events of the same commit may follow; all earlier commits are complete unless events are pending.
      this.#send(found, at, this.#pending.events === 0 ? change.first - 1 : undefined);
      return;
    }
    this.#pending.add(found);
    if (this.#pending.overflows) this.#overflow(this.#pending.events);
    else if (!this.#host.congested) this.wake(Math.max(1, this.#throttle.waitMs(found.id, at)));
  }

  #send(one: LiveEvent, at: number, upTo?: number): void {
    this.#throttle.sent(one.id, at);
    this.#version = Math.max(this.#version, one.version);
    this.emit(one.payload, { event: one.event, version: this.#version, ...(upTo === undefined ? {} : this.#mark(upTo)) }, one.passport);
  }

  #overflow(skipped: number): void {
    const message = `the client reads too slowly for this subscription: ${skipped} events were skipped`;
    this.#host.end(this, refusal('error', problem('overflow', null, { message, expected: skipped })));
  }
}
