/**
 * The ends of the partitions that an edge reads, shared by all its groups: each change is read and parsed once, however many groups are at
 * the end. Woken by the heads of the live feed; what falls out of the bounded ring is read again by whoever needs it.
 */
import type { Procedures } from '../procedure.ts';
import type { GroupCall, GroupsEffect, Item, JournalPage } from './messages.ts';
import { PageSize } from './page-size.ts';
import { ask, type Procedure } from './procedure.ts';

export interface TailLimits {
  readonly maxItems: number;
  readonly maxBytes: number;
}

const TAIL_LIMITS: TailLimits = { maxItems: 2048, maxBytes: 2 * 1024 * 1024 };
/** Redis hears of a change a little later than NATS: it is asked again, ever more rarely. */
const FIRST_WAIT_MS = 2;
const LAST_WAIT_MS = 256;

interface Tail {
  readonly partition: number;
  readonly followers: Set<() => void>;
  /** The ring has everything after `from` up to `to`; undefined until Redis has said where it ends. */
  from: number | undefined;
  to: number;
  items: Item[];
  bytes: number;
  readonly pageSize: PageSize;
  /** What was read of it last, and after which seq: most of its readers are at the same place. */
  newest: { readonly after: number; readonly page: JournalPage } | undefined;
}

export class TailCache {
  readonly #epoch: string;
  readonly #effects: GroupsEffect[];
  readonly #procedures: Procedures<GroupCall>;
  readonly #limits: TailLimits;
  readonly #tails = new Map<number, Tail>();
  #target = 0;
  /** Tails that are read in this round, and what the round has brought so far. */
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

  /** Follows a partition as long as somebody does; `wake` is called when there is more. Returns what ends it. */
  follow(partition: number, wake: () => void): () => void {
    const known = this.#tails.get(partition);
    const tail: Tail = known ?? {
      partition,
      followers: new Set(),
      from: undefined,
      to: 0,
      items: [],
      bytes: 0,
      pageSize: new PageSize(),
      newest: undefined,
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
   * What follows a seq, at most `limit` items, if the ring has it; those who ask for the same get the same page. Whoever is further than the ring waits for it, which is woken like everybody:
   * one that reads by itself is given the newest there is, stays ahead of the ring for as long as changes keep coming, and reads each of them
   * for itself alone.
   */
  read(partition: number, after: number, limit: number): JournalPage | undefined {
    const tail = this.#tails.get(partition);
    if (tail?.from === undefined || after < tail.from) return undefined;
    if (after > tail.to) return { items: [], to: after };
    const { newest } = tail;
    if (newest?.after === after && newest.page.items.length <= limit) return newest.page;
    const at = firstAfter(tail.items, after);
    const items = tail.items.slice(at, at + limit);
    const page = { items, to: at + items.length < tail.items.length ? (items.at(-1)?.seq ?? after) : tail.to };
    tail.newest = { after, page };
    return page;
  }

  /** The feed has announced everything up to a seq. */
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
    // Nobody has anything to read: what was shared is not kept for its own sake.
    for (const tail of this.#tails.values()) tail.newest = undefined;
    const reached = Math.max(0, ...[...this.#tails.values()].map(({ to }) => to));
    if (reached >= this.#target || this.#waitMs > LAST_WAIT_MS) return;
    this.#isWaiting = true;
    this.#effects.push({ do: 'wake', ms: this.#waitMs });
    this.#waitMs *= 2;
  }

  *#grow(tail: Tail): Procedure {
    if (yield* this.#readOn(tail)) this.#grew = true;
    this.#reading -= 1;
    if (this.#reading === 0) this.#roundEnds();
  }

  /** @returns whether there may be more */
  *#readOn(tail: Tail): Procedure<boolean> {
    const { partition } = tail;
    if (tail.from === undefined) {
      const end = yield* ask({ call: 'end', epoch: this.#epoch, partition });
      if (!end.ok || end.value === undefined) return false;
      tail.from = end.value;
      tail.to = end.value;
      for (const wake of [...tail.followers]) wake();
      return false;
    }
    const { limit } = tail.pageSize;
    const page = yield* ask({ call: 'read', epoch: this.#epoch, partition, after: tail.to, limit });
    // Readers that need what cannot be read find out the reason themselves; this one begins again at the end.
    if (!page.ok && page.failure.code === 'lost') tail.from = undefined;
    if (!page.ok || page.value.to <= tail.to) return false;
    for (const item of page.value.items) {
      tail.items.push(item);
      tail.bytes += item.bytes;
    }
    tail.to = page.value.to;
    tail.pageSize.saw(page.value.items);
    this.#trim(tail);
    for (const wake of [...tail.followers]) wake();
    return page.value.items.length >= limit;
  }

  #trim(tail: Tail): void {
    let drop = 0;
    while (tail.items.length - drop > this.#limits.maxItems || tail.bytes > this.#limits.maxBytes) {
      const item = tail.items[drop];
      if (item === undefined) break;
      tail.bytes -= item.bytes;
      tail.from = item.seq;
      drop += 1;
    }
    if (drop > 0) tail.items.splice(0, drop);
  }
}

function firstAfter(items: readonly Item[], after: number): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((items[middle]?.seq ?? 0) > after) high = middle;
    else low = middle + 1;
  }
  return low;
}
