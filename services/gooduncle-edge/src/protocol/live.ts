/**
 * One subscription (protocol page 3.7 and section 4). It starts without a gap: first the changes are watched, then the snapshot is read, which
 * says up to which `seq` it reaches; changes up to there are in it, and those after it follow. Nothing here waits or sends by itself.
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
import { type Kept, MergedEvents } from './merged-events.ts';
import { MAX_MISSED_CHANGES, MissedEvents, markOf, seqOf } from './missed.ts';
import { type ErrorResponse, problem, refusal } from './problems.ts';
import { Throttle } from './throttle.ts';
import { Window } from './window.ts';

/** What a subscription needs of its session. */
export interface Host {
  /** Sends an `ok` answer of this subscription. */
  tell(live: Live, payload: string, meta: ResponseMeta, passport: string): void;
  /** Ends it with a last answer. */
  end(live: Live, refusal: ErrorResponse): void;
  /** Reads rows of its query that reflect at least `atLeast`; the outcome comes to `live.rows`. */
  read(live: Live, limit: number, atLeast: number): void;
  /** Reads changes of its type in a range of seqs; they come to `live.missed`, or `live.unmissed` is called. */
  changes(live: Live, epoch: string, after: number, upTo: number): void;
  /** Calls `live.delivered` when every change up to `seq` has come to it. */
  whenDelivered(live: Live, epoch: string, seq: number): void;
  /** Calls `flush` in so many milliseconds at the latest. */
  wake(ms: number): void;
  /** Whether the client has so much to read already that what comes now should be merged. */
  readonly congested: boolean;
  /** What all subscriptions of the session keep for a client that reads slowly. */
  readonly kept: Kept;
  readonly liveEvents: LiveEventCache;
  /** JSON text of the passport of a commit. */
  passportOf(change: FullChange): string;
  /** JSON text of the passport of what is told of no commit in particular. */
  passport(): string;
}

export interface LiveOptions {
  /** The client's name for it. */
  readonly subscription: string;
  /** The session's name for it, as watch and as question. */
  readonly key: string;
  readonly echo: Echo;
  readonly topic: string;
  /** The type of its rows. */
  readonly type: string;
  readonly queryView: QueryView;
  /** What living rows of the query have in common. */
  readonly where: Filter;
  /** The rules under which it was made. */
  readonly rules: readonly Allowed[];
  /** All that decides what is shown, as text: to see whether new rules would change it. */
  readonly rulesText: string;
  readonly initial: boolean;
  readonly throttleMs: number;
  readonly sort: readonly Sort[] | undefined;
  readonly limit: number | undefined;
  /** Where the client wants to go on, empty for nowhere; undefined: it does not want to know where it could. */
  readonly since: string | undefined;
  /** The name of the history that a mark is of: equal only for the same epoch, query and rules. */
  history(epoch: string): string;
}

/** The most original matches of a subscription without a limit. */
const MAX_MATCHES = 10_000;
const BY_CREATION: readonly Sort[] = [{ path: ['created', 'on'], order: 'asc' }];

export class Live implements WindowOwner {
  readonly options: LiveOptions;
  /** The beginning of its answers, and for which state of the session's roles. */
  head: { readonly text: string; readonly roles: number } | undefined;
  seq = 0;
  readonly #host: Host;
  readonly #pending: MergedEvents;
  readonly #throttle: Throttle;
  #state: 'opening' | 'reading' | 'live' | 'ended' = 'opening';
  readonly #early = new EarlyChanges();
  /** The snapshot's seq: changes up to it are in it. */
  #from = 0;
  /** Every change up to here was handled. */
  #handled = 0;
  #epoch = '';
  /** Of its marks; undefined while it gives none. */
  #history: string | undefined;
  /** What is being caught up with. */
  #missed: MissedEvents | undefined;
  #window: LiveWindow | undefined;
  /** The newest commit that the client was told of. What waited is told as of this one: had the resource changed since, it would say so. */
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

  tell(payload: string, meta: ResponseMeta, passport: string): void {
    this.#host.tell(this, payload, meta, passport);
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

  /** Nothing is told after it. */
  stop(): void {
    this.#state = 'ended';
    this.#early.take();
    this.#pending.clear();
  }

  /** The watch is there: every change after `seq` will come. */
  watched(seq: number, epoch: string): void {
    if (this.#state !== 'opening') return;
    this.#epoch = epoch;
    const { initial, limit, since, where, history } = this.options;
    // A window is no set of rows that events alone make whole again.
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

  /** Changes that were asked for: all up to `to`. */
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

  /** The changes cannot be had: it begins anew. */
  unmissed(): void {
    const missed = this.#missed;
    if (this.#state !== 'reading' || missed === undefined) return;
    this.#missed = undefined;
    this.read(MAX_MATCHES, missed.upTo);
  }

  /** Rows that were asked for: the snapshot, or more for the window. */
  rows(rows: readonly Element[], more: boolean, seq: number, passport: string, at: number): void {
    if (this.#state === 'reading') this.#snapshot(rows, more, seq, passport, at);
    else if (this.#state === 'live') this.#window?.refill(rows, more, seq, passport, at);
  }

  /** Rows could not be read now. @returns whether that is no reason to end: it has shown what it began with, and asks again */
  unread(at: number): boolean {
    return this.#state === 'live' && this.#window?.unread(at) === true;
  }

  /** What `whenDelivered` was asked for has come. */
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

  /** Tells what waits and is due. @returns milliseconds until something that only waits for its time is due, or undefined */
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
        this.tell(
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
    this.#goOn(seq, at);
  }

  /** Only what was missed is told. */
  #continue(events: readonly LiveEvent[], seq: number, at: number): void {
    this.#missed = undefined;
    this.#from = seq;
    this.#state = 'live';
    const last = { synced: true, version: seq, ...this.#mark(seq) } as const;
    if (events.length === 0) this.tell('{}', last, this.#host.passport());
    for (const [index, { event, payload, version, passport }] of events.entries())
      this.tell(payload, { event, version, ...(index === events.length - 1 ? last : {}) }, passport);
    this.#goOn(seq, at);
  }

  /** What came while it was read follows. */
  #goOn(seq: number, at: number): void {
    this.#handled = seq;
    this.#version = seq;
    for (const matched of this.#early.take()) this.change(matched, at);
    if (!this.ended) this.#window?.keepFull();
  }

  /** Everything up to `seq` was told. */
  #mark(seq: number): Pick<ResponseMeta, 'since'> {
    return this.#history === undefined ? {} : { since: markOf(this.#history, seq) };
  }

  /** The one answer that says: this is all there is for now. */
  #begin(passport: string, version: number): void {
    this.#state = 'live';
    this.#version = version;
    this.tell('{}', { synced: true, count: 0, version, ...this.#mark(version) }, passport);
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
      // Of its own request there may be more to come; of earlier ones nothing, unless it waits.
      this.#send(found, at, this.#pending.events === 0 ? change.first - 1 : undefined);
      return;
    }
    this.#pending.add(found);
    if (this.#pending.overflows) this.#overflow(this.#pending.events);
    else if (!this.#host.congested) this.wake(Math.max(1, this.#throttle.waitMs(found.id, at)));
  }

  #send(one: LiveEvent, at: number, told?: number): void {
    this.#throttle.sent(one.id, at);
    this.#version = Math.max(this.#version, one.version);
    this.tell(one.payload, { event: one.event, version: this.#version, ...(told === undefined ? {} : this.#mark(told)) }, one.passport);
  }

  #overflow(skipped: number): void {
    const message = `the client reads too slowly for this subscription: ${skipped} events were skipped`;
    this.#host.end(this, refusal('error', problem('overflow', null, { message, expected: skipped })));
  }
}
