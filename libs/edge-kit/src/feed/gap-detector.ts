/**
 * Checks that heads form a chain. While each head continues the previous one the detector is open, and the changes they list are announced.
 * If one is missing it closes, the range is fetched once for all interests, and the heads that arrived meanwhile follow. Nothing passes
 * while it is closed, so no change is skipped.
 */
import type { graphChanges, graphPosition } from '@polyedge/contracts/bus/feed';
import { type Change, isFull } from '@polyedge/contracts/change';
import type { ReplyOf } from '@polyedge/contracts/channel';
import { errors, type Failure, type Outcome } from '@polyedge/contracts/errors';
import { keysOf } from '@polyedge/contracts/interest';
import { jsonCharacters } from '@polyedge/query/json-size';
import type { Backfill } from './backfill.ts';
import { Fifo } from './fifo.ts';
import { type FeedEffect, HAND_OUT_SOON, type Head } from './messages.ts';
import type { OwnChangeWaits } from './own-change-waits.ts';
import type { Resequencer } from './resequencer.ts';
import type { FeedSettings, FeedStats } from './settings.ts';
import type { Watchers } from './watchers.ts';

interface Gap {
  /** End of the range to fetch; undefined until the store has answered. */
  upTo: number | undefined;
  attempt: number;
  /** The request in flight, and the end of its range. */
  request: { readonly id: number; readonly upTo: number } | undefined;
  /** A timer will continue. */
  waits: boolean;
}

const newGap = (upTo: number | undefined): Gap => ({ upTo, attempt: 0, request: undefined, waits: false });

const MAX_RETIRED = 16;
const BACKOFF_MS = 100;
const MAX_BACKOFF_MS = 2_000;
/**
 * With more interests than this, a range is requested for whole tenants: the reply contains more than needed, but the request stays small.
 */
const MAX_NAMED_INTERESTS = 10_000;

/** The parts of the feed that the detector controls. */
interface Parts {
  readonly settings: FeedSettings;
  readonly stats: FeedStats;
  readonly effects: FeedEffect[];
  readonly resequencer: Resequencer;
  readonly watchers: Watchers;
  readonly backfill: Backfill;
  readonly own: OwnChangeWaits;
}

export class GapDetector {
  readonly #parts: Parts;
  #connected: boolean;
  #epoch: string | undefined;
  /** The highest fence seen; undefined after silence, so that any publisher of this epoch is accepted again. */
  #fence: number | undefined;
  #position = 0;
  #lastHeadAt: number;
  #gap: Gap | undefined = newGap(undefined);
  #requests = 0;
  readonly #retired = new Set<string>();
  readonly #held = new Fifo<Head>();
  #heldSeqs = 0;
  /** The highest `to` of the heads that did not fit. */
  #beyond = 0;

  /** Starts closed, because the feed's position is unknown. */
  constructor(parts: Parts, connected: boolean, at: number) {
    this.#parts = parts;
    this.#connected = connected;
    this.#lastHeadAt = at;
  }

  begin(): void {
    this.#advanceIn(0, 0);
  }

  /** Undefined until the feed's position is known. */
  get epoch(): string | undefined {
    return this.#epoch;
  }

  /** Every change up to this seq was announced to the interests that were live then. */
  get position(): number {
    return this.#position;
  }

  get isOpen(): boolean {
    return this.#gap === undefined;
  }

  get lastHeadAt(): number {
    return this.#lastHeadAt;
  }

  /** Whether the feed has left this epoch. */
  hasLeft(epoch: string): boolean {
    return this.#retired.has(epoch);
  }

  head(head: Head, at: number): void {
    if (head.epoch !== this.#epoch && !this.#takesEpoch(head, at)) return;
    if (this.#fence !== undefined && head.fence < this.#fence) {
      this.#parts.stats.staleHeads += 1;
      return;
    }
    this.#fence = head.fence;
    if (head.keys.length !== Math.max(0, head.to - head.from + 1)) {
      // An invalid head: its range cannot be trusted either.
      this.#shut(undefined);
      return;
    }
    const gap = this.#gap;
    if (gap === undefined) {
      this.#take(head, at);
      return;
    }
    this.#hold(head);
    // The chain turned out whole, or its hole is known: its end need not be requested.
    if (gap.request !== undefined || gap.upTo !== undefined || !this.#connected) return;
    gap.upTo = Math.max(this.#position, (this.#held.front?.from ?? this.#position + 1) - 1);
    if (gap.upTo === this.#position) this.#finish(at);
  }

  /** Messages sent from now on may be lost. */
  disconnected(): void {
    this.#connected = false;
    this.#shut(undefined);
    if (this.#gap !== undefined) this.#cancel(this.#gap);
  }

  /** The subscriptions have been restored. */
  connected(): void {
    this.#connected = true;
    if (this.#gap !== undefined && this.#gap.request === undefined) this.#advanceIn(0, this.#parts.settings.jitterMs);
  }

  /** Detects silence. */
  sweep(at: number): void {
    if (this.#gap !== undefined || at - this.#lastHeadAt < this.#parts.settings.silenceMs) return;
    this.#fence = undefined;
    this.#shut(undefined);
  }

  woken(at: number): void {
    if (this.#gap === undefined) return;
    this.#gap.waits = false;
    this.#advance(at);
  }

  /** There may be room for another page. */
  resume(at: number): void {
    if (this.#gap !== undefined && !this.#gap.waits) this.#advance(at);
  }

  positionAnswered(id: number, outcome: Outcome<ReplyOf<typeof graphPosition>>, at: number): void {
    const gap = this.#answered(id);
    if (gap === undefined) return;
    if (!outcome.ok) {
      this.#again(gap);
      return;
    }
    const { epoch, seq } = outcome.value;
    gap.attempt = 0;
    if (this.#epoch === undefined) this.#begin(epoch, seq);
    else if (epoch !== this.#epoch) this.#leave(epoch, seq);
    gap.upTo = Math.max(this.#position, seq);
    this.#advance(at);
  }

  rangeAnswered(id: number, outcome: Outcome<ReplyOf<typeof graphChanges>>, at: number): void {
    const askedUpTo = this.#gap?.request?.upTo ?? 0;
    const gap = this.#answered(id);
    // A reply of this epoch stays valid whatever has happened meanwhile; one for a closed gap is not needed.
    if (gap === undefined) return;
    const failure = outcome.ok ? undefined : outcome.failure;
    if (failure !== undefined && errors[failure.code].retry !== 'later') {
      this.#giveUp(failure);
      return;
    }
    const after = this.#position;
    const to = outcome.ok && outcome.value.epoch === this.#epoch ? Math.min(outcome.value.to, askedUpTo) : 0;
    if (!outcome.ok || to <= after) {
      // The store has another epoch, or does not have what a head promised: requests the position again.
      gap.upTo = undefined;
      this.#again(gap);
      return;
    }
    gap.attempt = 0;
    this.#announceRange(outcome.value.changes.filter(({ seq }) => seq > after && seq <= to));
    this.#parts.resequencer.forget(to);
    this.#position = to;
    this.#parts.effects.push(HAND_OUT_SOON);
    this.#advance(at);
  }

  #answered(id: number): Gap | undefined {
    const gap = this.#gap;
    if (gap?.request?.id !== id) return undefined;
    gap.request = undefined;
    return gap;
  }

  #announceRange(changes: Change[]): void {
    const { stats, resequencer, backfill } = this.#parts;
    for (const change of changes.sort((one, other) => one.seq - other.seq)) {
      stats.fetchedChanges += 1;
      const full = isFull(change) ? change : undefined;
      const missing = resequencer.announceWhole(change.seq, keysOf(change), full, full === undefined ? 0 : jsonCharacters(full));
      if (missing !== undefined) backfill.add(missing);
    }
  }

  /** @returns whether the head is of the feed's current epoch */
  #takesEpoch(head: Head, at: number): boolean {
    if (this.#retired.has(head.epoch)) {
      this.#parts.stats.staleHeads += 1;
      return false;
    }
    if (this.#epoch === undefined) {
      this.#begin(head.epoch, head.to);
      this.#finish(at);
      return true;
    }
    // A new epoch, or a publisher that was suspended in an old one. Fences may have been restored from the backup too, so only the store
    // can decide.
    this.#shut(undefined);
    return false;
  }

  #begin(epoch: string, position: number): void {
    this.#epoch = epoch;
    this.#fence = undefined;
    this.#position = position;
    this.#held.take();
    this.#heldSeqs = 0;
    this.#beyond = 0;
  }

  #leave(epoch: string, position: number): void {
    if (this.#epoch !== undefined) {
      this.#retired.add(this.#epoch);
      const [oldest] = this.#retired;
      if (this.#retired.size > MAX_RETIRED && oldest !== undefined) this.#retired.delete(oldest);
    }
    this.#retired.delete(epoch);
    this.#reset({ code: 'lost', detail: 'the history was replaced by another' });
    this.#begin(epoch, position);
  }

  /** Ends every watch of this epoch. */
  #reset(failure: Failure): void {
    const { watchers, resequencer, backfill, own } = this.#parts;
    watchers.loseAll(failure);
    resequencer.clear();
    backfill.clear();
    own.leaveEpoch();
  }

  #take(head: Head, at: number): void {
    const { resequencer, backfill, settings, effects } = this.#parts;
    if (head.from > this.#position + 1) {
      this.#shut(head.from - 1);
      this.#hold(head);
      return;
    }
    this.#lastHeadAt = at;
    if (head.to <= this.#position) return;
    if (resequencer.pending >= settings.maxPending) {
      this.#shut(head.to);
      return;
    }
    const from = this.#position + 1;
    this.#position = head.to;
    for (let seq = from; seq <= head.to; seq += 1) {
      const missing = resequencer.announce(seq, head.keys[seq - head.from] ?? []);
      if (missing !== undefined) backfill.add(missing);
    }
    effects.push(HAND_OUT_SOON);
  }

  #hold(head: Head): void {
    if (head.to <= this.#position) return;
    if (this.#beyond > 0 || this.#heldSeqs + head.keys.length + 1 > this.#parts.settings.maxHeldSeqs) {
      this.#beyond = Math.max(this.#beyond, head.to);
      return;
    }
    this.#held.push(head);
    this.#heldSeqs += head.keys.length + 1;
  }

  /**
   * Closes the detector.
   * @param upTo end of the missing range; undefined if unknown
   */
  #shut(upTo: number | undefined): void {
    const gap = this.#gap;
    if (gap !== undefined) {
      gap.upTo = upTo === undefined || gap.upTo === undefined ? undefined : Math.max(gap.upTo, upTo);
      return;
    }
    this.#parts.stats.gaps += 1;
    this.#gap = newGap(upTo);
    if (this.#connected) this.#advanceIn(0, this.#parts.settings.jitterMs);
  }

  #advanceIn(ms: number, spreadMs: number): void {
    if (this.#gap === undefined) return;
    this.#gap.waits = true;
    this.#parts.effects.push({ do: 'wake', timer: 'gap', ms, spreadMs });
  }

  #cancel(gap: Gap): void {
    if (!gap.waits) return;
    gap.waits = false;
    this.#parts.effects.push({ do: 'cancel', timer: 'gap' });
  }

  #advance(at: number): void {
    const { watchers, effects, stats } = this.#parts;
    const gap = this.#gap;
    if (gap === undefined || gap.request !== undefined || !this.#connected) return;
    if (this.#epoch === undefined || gap.upTo === undefined) {
      effects.push({ do: 'request-position', id: this.#newRequest(gap, 0) });
      return;
    }
    if (this.#position >= gap.upTo) {
      this.#finish(at);
      return;
    }
    const interests = watchers.live();
    if (interests.length === 0) {
      this.#parts.resequencer.forget(gap.upTo);
      this.#position = gap.upTo;
      this.#finish(at);
      return;
    }
    // `resume` retries once the waiting changes are delivered.
    if (!this.#hasRoomForPage) return;
    stats.rangeFetches += 1;
    const named =
      interests.length <= MAX_NAMED_INTERESTS
        ? interests
        : [...new Set(interests.map(({ tenant }) => tenant))].map((tenant) => ({ tenant }));
    effects.push({
      do: 'request-range',
      id: this.#newRequest(gap, gap.upTo),
      epoch: this.#epoch,
      after: this.#position,
      upTo: gap.upTo,
      interests: named,
    });
  }

  get #hasRoomForPage(): boolean {
    const { resequencer, settings } = this.#parts;
    return resequencer.pending < settings.maxPending / 2 && resequencer.dueBytes < settings.maxStagedBytes / 2;
  }

  #newRequest(gap: Gap, upTo: number): number {
    this.#requests += 1;
    gap.request = { id: this.#requests, upTo };
    return this.#requests;
  }

  /** The store cannot continue from this position: every watch starts over from a snapshot, and the feed requests the position again. */
  #giveUp(failure: Failure): void {
    this.#reset(failure);
    this.#epoch = undefined;
    this.#gap = newGap(undefined);
    this.#advanceIn(0, this.#parts.settings.jitterMs);
  }

  #again(gap: Gap): void {
    this.#parts.stats.fetchFailures += 1;
    const ms = Math.min(MAX_BACKOFF_MS, BACKOFF_MS * 2 ** gap.attempt) / 2;
    gap.attempt = Math.min(gap.attempt + 1, 10);
    this.#advanceIn(ms, ms);
  }

  /** Opens the detector and processes the held heads up to the next hole. */
  #finish(at: number): void {
    if (this.#gap !== undefined) this.#cancel(this.#gap);
    this.#gap = undefined;
    this.#lastHeadAt = at;
    for (let head = this.#held.front; head !== undefined && this.isOpen; head = this.#held.front) {
      if (head.from > this.#position + 1) {
        this.#shut(head.from - 1);
        break;
      }
      this.#held.shift();
      this.#heldSeqs -= head.keys.length + 1;
      this.#take(head, at);
    }
    if (this.isOpen && this.#beyond > this.#position) this.#shut(this.#beyond);
    if (this.#held.length === 0) this.#beyond = 0;
    this.#parts.effects.push(HAND_OUT_SOON);
  }
}
