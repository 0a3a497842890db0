/**
 * The chain of heads and the gate. While heads join each other, what they list is announced; when one is missing the gate closes, the range
 * is asked for once for all interests, and the heads that came meanwhile follow. Nothing passes a closed gate, so nothing is passed over.
 */
import { graphChanges, graphPosition } from '@polyedge/contracts/bus/feed';
import type { Change } from '@polyedge/contracts/change';
import { errors, type Failure } from '@polyedge/contracts/errors';
import type { Interest } from '@polyedge/contracts/interest';
import type { Bus } from '@polyedge/service-kit/bus';
import { Fifo } from './feed-queue.ts';
import type { FeedSettings, FeedStats, FeedSurroundings } from './feed-settings.ts';

export interface Head {
  readonly epoch: string;
  readonly fence: number;
  readonly from: number;
  readonly to: number;
  readonly keys: readonly (readonly number[])[];
}

/** What the gate does to its feed. */
export interface GateOwner {
  /** Heads list these seqs: `keys[0]` belongs to `from`. */
  announce(from: number, keys: readonly (readonly number[])[]): void;
  /** The store gave these changes; there are no others up to `to` for `interests()`. In the order of seq. */
  fetched(changes: readonly Change[], to: number): void;
  /** The interests of all live groups. */
  interests(): Interest[];
  /** Every watch of this history is lost. */
  lost(failure: Failure): void;
  /** There is room for a further page. */
  room(): boolean;
  /** There is room for what a further head lists. */
  roomForHead(): boolean;
  /** The gate has opened, or the position moved. */
  moved(): void;
}

interface Gap {
  /** Up to where it has to be fetched; unknown until the store was asked. */
  upTo: number | undefined;
  attempt: number;
  running: boolean;
  cancel: (() => void) | undefined;
}

const MAX_RETIRED = 16;
const BACKOFF_MS = 100;
const MAX_BACKOFF_MS = 2_000;
/** Above this many interests a range is asked for by tenant: the reply has more than is needed, the request stays small. */
const MAX_NAMED_INTERESTS = 10_000;

export class FeedGate {
  readonly #bus: Bus;
  readonly #settings: FeedSettings;
  readonly #around: FeedSurroundings;
  readonly #stats: FeedStats;
  readonly #owner: GateOwner;
  #epoch: string | undefined;
  /** The highest seen; undefined after the heads fell silent, so that any publisher of this epoch is believed again. */
  #fence: number | undefined;
  #position = 0;
  #lastHeadAt: number;
  #gap: Gap | undefined;
  readonly #retired = new Set<string>();
  readonly #held = new Fifo<Head>();
  #heldSeqs = 0;
  /** The highest `to` of the heads that found no room. */
  #beyond = 0;
  #closed = false;

  constructor(parts: {
    readonly bus: Bus;
    readonly settings: FeedSettings;
    readonly around: FeedSurroundings;
    readonly stats: FeedStats;
    readonly owner: GateOwner;
  }) {
    this.#bus = parts.bus;
    this.#settings = parts.settings;
    this.#around = parts.around;
    this.#stats = parts.stats;
    this.#owner = parts.owner;
    this.#lastHeadAt = parts.around.now();
    this.#gap = { upTo: undefined, attempt: 0, running: false, cancel: undefined };
  }

  /** Undefined until the feed knows where it stands. */
  get epoch(): string | undefined {
    return this.#epoch;
  }

  /** Every change up to here was announced to the groups that were live when it was. */
  get position(): number {
    return this.#position;
  }

  get open(): boolean {
    return this.#gap === undefined;
  }

  get headAgeMs(): number {
    return this.#around.now() - this.#lastHeadAt;
  }

  /** Whether a history is one that this feed has left. */
  hasLeft(epoch: string): boolean {
    return this.#retired.has(epoch);
  }

  /** Asks where the feed stands. Heads are subscribed already. */
  start(): void {
    this.#advanceIn(0);
  }

  head(head: Head): void {
    if (this.#closed) return;
    if (head.epoch !== this.#epoch && !this.#takesEpoch(head)) return;
    if (this.#fence !== undefined && head.fence < this.#fence) {
      this.#stats.staleHeads += 1;
      return;
    }
    this.#fence = head.fence;
    if (head.keys.length !== Math.max(0, head.to - head.from + 1)) {
      // Not to be relied on for anything, its range included.
      this.#shut(undefined);
      return;
    }
    if (this.#gap === undefined) {
      this.#take(head);
      return;
    }
    this.#hold(head);
    // The chain is whole after all, or its hole is known: no need to ask for where it ends.
    if (this.#gap.running || this.#gap.upTo !== undefined || this.#bus.status !== 'connected') return;
    this.#gap.upTo = Math.max(this.#position, (this.#held.front?.from ?? this.#position + 1) - 1);
    if (this.#gap.upTo === this.#position) this.#finish();
  }

  /** Nothing that was sent since can be relied on to have come. */
  disconnected(): void {
    if (this.#closed) return;
    this.#shut(undefined);
    if (this.#gap === undefined) return;
    this.#gap.cancel?.();
    this.#gap.cancel = undefined;
  }

  /** The subscriptions were made again. */
  connected(): void {
    if (!this.#closed && this.#gap !== undefined && !this.#gap.running) this.#advanceIn(this.#around.random() * this.#settings.jitterMs);
  }

  /** To be called often: notices silence. */
  sweep(): void {
    if (this.#gap !== undefined || this.headAgeMs < this.#settings.silenceMs) return;
    this.#fence = undefined;
    this.#shut(undefined);
  }

  /** To be called when there may be room again. */
  resume(): void {
    if (this.#gap !== undefined && this.#gap.cancel === undefined) this.#advance();
  }

  close(): void {
    this.#closed = true;
    this.#gap?.cancel?.();
  }

  /** @returns whether the head is of the feed's epoch now. */
  #takesEpoch(head: Head): boolean {
    if (this.#retired.has(head.epoch)) {
      this.#stats.staleHeads += 1;
      return false;
    }
    if (this.#epoch === undefined) {
      this.#begin(head.epoch, head.to);
      this.#finish();
      return true;
    }
    // A new history, or a publisher that was stopped in an old one: fences may have been restored with the rest, so only the store knows.
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
    this.#owner.lost({ code: 'lost', detail: 'the history was replaced by another' });
    this.#begin(epoch, position);
  }

  #take(head: Head): void {
    if (head.from > this.#position + 1) {
      this.#shut(head.from - 1);
      this.#hold(head);
      return;
    }
    this.#lastHeadAt = this.#around.now();
    if (head.to <= this.#position) return;
    if (!this.#owner.roomForHead()) {
      this.#shut(head.to);
      return;
    }
    const from = this.#position + 1;
    this.#position = head.to;
    this.#owner.announce(from, from === head.from ? head.keys : head.keys.slice(from - head.from));
    this.#owner.moved();
  }

  #hold(head: Head): void {
    if (head.to <= this.#position) return;
    if (this.#beyond > 0 || this.#heldSeqs + head.keys.length + 1 > this.#settings.maxHeldSeqs) {
      this.#beyond = Math.max(this.#beyond, head.to);
      return;
    }
    this.#held.push(head);
    this.#heldSeqs += head.keys.length + 1;
  }

  /** Closes the gate. `upTo`: what is missing ends there; undefined when that is not known. */
  #shut(upTo: number | undefined): void {
    const gap = this.#gap;
    if (gap !== undefined) {
      gap.upTo = upTo === undefined || gap.upTo === undefined ? undefined : Math.max(gap.upTo, upTo);
      return;
    }
    this.#stats.gaps += 1;
    this.#gap = { upTo, attempt: 0, running: false, cancel: undefined };
    if (this.#bus.status === 'connected') this.#advanceIn(this.#around.random() * this.#settings.jitterMs);
  }

  #advanceIn(ms: number): void {
    const gap = this.#gap;
    if (gap === undefined) return;
    gap.cancel?.();
    gap.cancel = this.#around.after(ms, () => {
      gap.cancel = undefined;
      if (gap === this.#gap) this.#advance();
    });
  }

  #advance(): void {
    const gap = this.#gap;
    if (gap === undefined || gap.running || this.#closed || this.#bus.status !== 'connected') return;
    if (this.#epoch === undefined || gap.upTo === undefined) {
      void this.#askPosition(gap);
      return;
    }
    if (this.#position >= gap.upTo) {
      this.#finish();
      return;
    }
    const interests = this.#owner.interests();
    if (interests.length === 0) {
      this.#owner.fetched([], gap.upTo);
      this.#position = gap.upTo;
      this.#finish();
      return;
    }
    // Asked again by `resume` when what waits has been handed out.
    if (this.#owner.room()) void this.#askRange(gap, this.#epoch, gap.upTo, interests);
  }

  async #askPosition(gap: Gap): Promise<void> {
    gap.running = true;
    const outcome = await this.#bus.request(graphPosition, graphPosition.subject({}), {}, { timeoutMs: this.#settings.requestTimeoutMs });
    gap.running = false;
    if (this.#closed || gap !== this.#gap) return;
    if (!outcome.ok) {
      this.#again(gap);
      return;
    }
    const { epoch, seq } = outcome.value;
    gap.attempt = 0;
    if (this.#epoch === undefined) this.#begin(epoch, seq);
    else if (epoch !== this.#epoch) this.#leave(epoch, seq);
    gap.upTo = Math.max(this.#position, seq);
    this.#advance();
  }

  async #askRange(gap: Gap, epoch: string, upTo: number, interests: readonly Interest[]): Promise<void> {
    gap.running = true;
    this.#stats.rangeFetches += 1;
    const after = this.#position;
    const named =
      interests.length <= MAX_NAMED_INTERESTS
        ? interests
        : [...new Set(interests.map(({ tenant }) => tenant))].map((tenant) => ({ tenant }));
    const outcome = await this.#bus.request(
      graphChanges,
      graphChanges.subject({}),
      { epoch, after, upTo, interests: named },
      { timeoutMs: this.#settings.requestTimeoutMs },
    );
    gap.running = false;
    // An answer of this history stays true whatever happened meanwhile; one for a gap that is over is not needed.
    if (this.#closed || gap !== this.#gap || epoch !== this.#epoch) return;
    const failure = outcome.ok ? undefined : outcome.failure;
    if (failure !== undefined && errors[failure.code].retry !== 'later') {
      this.#giveUp(failure);
      return;
    }
    const to = outcome.ok && outcome.value.epoch === epoch ? Math.min(outcome.value.to, upTo) : 0;
    if (!outcome.ok || to <= after) {
      // Another epoch, or the store does not have what a head promised: where it stands will tell.
      gap.upTo = undefined;
      this.#again(gap);
      return;
    }
    gap.attempt = 0;
    const changes = outcome.value.changes.filter(({ seq }) => seq > after && seq <= to).sort((a, b) => a.seq - b.seq);
    this.#owner.fetched(changes, to);
    this.#position = to;
    this.#owner.moved();
    this.#advance();
  }

  /** The store cannot continue this position: everybody starts from a snapshot, and the feed asks again where it stands. */
  #giveUp(failure: Failure): void {
    this.#owner.lost(failure);
    this.#epoch = undefined;
    this.#gap = { upTo: undefined, attempt: 0, running: false, cancel: undefined };
    this.#advanceIn(this.#around.random() * this.#settings.jitterMs);
  }

  #again(gap: Gap): void {
    this.#stats.fetchFailures += 1;
    const ms = Math.min(MAX_BACKOFF_MS, BACKOFF_MS * 2 ** gap.attempt) * (0.5 + this.#around.random() / 2);
    gap.attempt = Math.min(gap.attempt + 1, 10);
    this.#advanceIn(ms);
  }

  /** Opens the gate and lets the held heads follow, up to the next hole. */
  #finish(): void {
    this.#gap?.cancel?.();
    this.#gap = undefined;
    this.#lastHeadAt = this.#around.now();
    for (let head = this.#held.front; head !== undefined && this.open; head = this.#held.front) {
      if (head.from > this.#position + 1) {
        this.#shut(head.from - 1);
        break;
      }
      this.#held.shift();
      this.#heldSeqs -= head.keys.length + 1;
      this.#take(head);
    }
    if (this.open && this.#beyond > this.#position) this.#shut(this.#beyond);
    if (this.#held.length === 0) this.#beyond = 0;
    this.#owner.moved();
  }
}
