/**
 * Caches the ends of the partitions that an edge reads, shared by all its groups: each change is read once, and groups at the end receive
 * the same pages, so that frames of a page are made once as well. Woken by the heads of the live feed; groups that are further behind than
 * the bounded ring read for themselves.
 */
import type { Procedures } from '../procedure.ts';
import { call, type GroupCall, type GroupProcedure, type GroupsEffect, type JournalPage } from './messages.ts';
import { PageSize } from './page-size.ts';

export interface TailLimits {
  readonly maxItems: number;
  readonly maxBytes: number;
}

const TAIL_LIMITS: TailLimits = { maxItems: 2048, maxBytes: 2 * 1024 * 1024 };
/** Redis has a change slightly later than NATS: reads are retried, with growing intervals. */
const FIRST_WAIT_MS = 2;
const LAST_WAIT_MS = 256;

interface Tail {
  readonly partition: number;
  readonly followers: Set<() => void>;
  /** The ring contains everything after `from` up to `to`; undefined until Redis has returned its end. */
  from: number | undefined;
  to: number;
  /** The ring, page by page as it was read. */
  pages: CachedPage[];
  items: number;
  bytes: number;
  readonly pageSize: PageSize;
}

/** A page, the seq that it follows, and the size of its items. */
interface CachedPage {
  readonly after: number;
  readonly page: JournalPage;
  readonly bytes: number;
}

export class TailCache {
  readonly #epoch: string;
  readonly #effects: GroupsEffect[];
  readonly #procedures: Procedures<GroupCall>;
  readonly #limits: TailLimits;
  readonly #tails = new Map<number, Tail>();
  #target = 0;
  /** Tails that are being read in this round, and whether the round has found anything. */
  #reading = 0;
  #grew = false;
  #again = false;
  #isWaiting = false;
  #waitMs = FIRST_WAIT_MS;

  constructor(epoch: string, effects: GroupsEffect[], procedures: Procedures<GroupCall>, limits: TailLimits = TAIL_LIMITS) {
    this.#epoch = epoch;
    this.#effects = effects;
    this.#procedures = procedures;
    this.#limits = limits;
  }

  /** Follows a partition until the returned function is called; `wake` is called when there is more. */
  follow(partition: number, wake: () => void): () => void {
    const known = this.#tails.get(partition);
    const tail: Tail = known ?? {
      partition,
      followers: new Set(),
      from: undefined,
      to: 0,
      pages: [],
      items: 0,
      bytes: 0,
      pageSize: new PageSize(),
    };
    tail.followers.add(wake);
    if (known === undefined) {
      this.#tails.set(partition, tail);
      this.#run();
    }
    return () => {
      tail.followers.delete(wake);
      if (tail.followers.size === 0 && this.#tails.get(partition) === tail) this.#tails.delete(partition);
    };
  }

  /**
   * Returns the page that follows a seq, or the rest of the page that the seq is in, if the ring has it. A reader that is ahead of the ring
   * waits for it and is woken like all others: if it read for itself, it would stay ahead of the ring for as long as changes keep coming,
   * and read each of them alone.
   */
  read(partition: number, after: number): JournalPage | undefined {
    const tail = this.#tails.get(partition);
    if (tail?.from === undefined || after < tail.from) return undefined;
    if (after >= tail.to) return { items: [], to: after };
    const kept = tail.pages[lastUpTo(tail.pages, after)];
    if (kept === undefined || kept.after === after) return kept?.page;
    return { items: kept.page.items.filter(({ seq }) => seq > after), to: kept.page.to };
  }

  /** A head has announced everything up to a seq. */
  announced(seq: number): void {
    if (seq > this.#target) this.#target = seq;
    if (this.#tails.size > 0) this.#run();
  }

  /** The wait is over. */
  woken(): void {
    if (!this.#isWaiting) return;
    this.#isWaiting = false;
    this.#round();
  }

  close(): void {
    this.#stopWaiting();
    this.#procedures.cancel(this);
    this.#tails.clear();
  }

  #run(): void {
    this.#again = true;
    this.#stopWaiting();
    if (this.#reading > 0) return;
    this.#waitMs = FIRST_WAIT_MS;
    this.#round();
  }

  #stopWaiting(): void {
    if (!this.#isWaiting) return;
    this.#isWaiting = false;
    this.#effects.push({ do: 'cancel-wake' });
  }

  /** Reads all tails at once. */
  #round(): void {
    this.#again = false;
    this.#grew = false;
    const tails = [...this.#tails.values()];
    this.#reading = tails.length;
    for (const tail of tails) this.#procedures.start(this.#grow(tail), this);
  }

  #roundEnds(): void {
    if (this.#tails.size === 0) return;
    if (this.#grew || this.#again) {
      this.#waitMs = FIRST_WAIT_MS;
      this.#round();
      return;
    }
    const reached = Math.max(0, ...[...this.#tails.values()].map(({ to }) => to));
    if (reached >= this.#target || this.#waitMs > LAST_WAIT_MS) return;
    this.#isWaiting = true;
    this.#effects.push({ do: 'wake', ms: this.#waitMs });
    this.#waitMs *= 2;
  }

  *#grow(tail: Tail): GroupProcedure {
    if (yield* this.#readOn(tail)) this.#grew = true;
    this.#reading -= 1;
    if (this.#reading === 0) this.#roundEnds();
  }

  /** @returns whether there may be more */
  *#readOn(tail: Tail): GroupProcedure<boolean> {
    const { partition } = tail;
    if (tail.from === undefined) {
      const end = yield* call({ call: 'end', epoch: this.#epoch, partition });
      if (!end.ok || end.value === undefined) return false;
      tail.from = end.value;
      tail.to = end.value;
      for (const wake of [...tail.followers]) wake();
      return false;
    }
    const { limit } = tail.pageSize;
    const page = yield* call({ call: 'read', epoch: this.#epoch, partition, after: tail.to, limit });
    // Readers of the lost range see the failure themselves; this one restarts at the end.
    if (!page.ok && page.failure.code === 'lost') forget(tail);
    if (!page.ok || page.value.to <= tail.to) return false;
    this.#keep(tail, page.value);
    tail.pageSize.adapt(page.value.items);
    for (const wake of [...tail.followers]) wake();
    return page.value.items.length >= limit;
  }

  /** The newest page is kept whatever its size. */
  #keep(tail: Tail, page: JournalPage): void {
    const { pages } = tail;
    const newest = pages.at(-1);
    // In an idle partition only the end moves.
    if (page.items.length === 0 && newest?.page.items.length === 0) pages[pages.length - 1] = { ...newest, page };
    else pages.push({ after: tail.to, page, bytes: page.items.reduce((sum, { bytes }) => sum + bytes, 0) });
    tail.to = page.to;
    tail.items += page.items.length;
    tail.bytes += page.items.length === 0 ? 0 : (pages.at(-1)?.bytes ?? 0);
    while (pages.length > 1 && (tail.items > this.#limits.maxItems || tail.bytes > this.#limits.maxBytes)) {
      const oldest = pages.shift();
      if (oldest === undefined) break;
      tail.items -= oldest.page.items.length;
      tail.bytes -= oldest.bytes;
      tail.from = oldest.page.to;
    }
  }
}

/** Restarts at the end. */
function forget(tail: Tail): void {
  tail.from = undefined;
  tail.pages = [];
  tail.items = 0;
  tail.bytes = 0;
}

/** The index of the last page that follows a seq up to this one. */
function lastUpTo(pages: readonly CachedPage[], seq: number): number {
  let low = 0;
  let high = pages.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((pages[middle]?.after ?? 0) > seq) high = middle;
    else low = middle + 1;
  }
  return low - 1;
}
