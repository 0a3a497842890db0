/**
 * The ends of the partitions that an edge reads, shared by all its groups: each change is read and parsed once, however many groups are at
 * the end. Woken by the heads of the live feed; what falls out of the bounded ring is read again by whoever needs it.
 */
import { Pace } from './pace.ts';
import type { Item, Page, PartitionReader } from './partition-reader.ts';

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
  readonly wakes: Set<() => void>;
  /** The ring has everything after `from` up to `to`; undefined until Redis has said where it ends. */
  from: number | undefined;
  to: number;
  items: Item[];
  bytes: number;
  readonly pace: Pace;
}

export class Tails {
  readonly #reader: Pick<PartitionReader, 'read' | 'end'>;
  readonly #limits: TailLimits;
  readonly #tails = new Map<number, Tail>();
  #target = 0;
  #running = false;
  #again = false;
  #endWait: () => void = () => {};
  #closed = false;

  constructor(reader: Pick<PartitionReader, 'read' | 'end'>, limits: TailLimits = TAIL_LIMITS) {
    this.#reader = reader;
    this.#limits = limits;
  }

  /** Follows a partition as long as somebody does; `wake` is called when there is more. Returns what ends it. */
  follow(partition: number, wake: () => void): () => void {
    const known = this.#tails.get(partition);
    const tail: Tail = known ?? { partition, wakes: new Set(), from: undefined, to: 0, items: [], bytes: 0, pace: new Pace() };
    tail.wakes.add(wake);
    if (known === undefined) {
      this.#tails.set(partition, tail);
      this.#run();
    }
    return () => {
      tail.wakes.delete(wake);
      if (tail.wakes.size === 0 && this.#tails.get(partition) === tail) this.#tails.delete(partition);
    };
  }

  /**
   * What follows a seq, at most `limit` items, if the ring has it. Whoever is further than the ring waits for it, which is woken like everybody:
   * one that reads by itself is given the newest there is, stays ahead of the ring for as long as changes keep coming, and reads each of them
   * for itself alone.
   */
  read(partition: number, after: number, limit: number): Page | undefined {
    const tail = this.#tails.get(partition);
    if (tail?.from === undefined || after < tail.from) return undefined;
    if (after > tail.to) return { items: [], to: after };
    const at = firstAfter(tail.items, after);
    const items = tail.items.slice(at, at + limit);
    return { items, to: at + items.length < tail.items.length ? (items.at(-1)?.seq ?? after) : tail.to };
  }

  /** The feed has announced everything up to a seq. */
  announced(seq: number): void {
    if (seq > this.#target) this.#target = seq;
    if (this.#tails.size > 0) this.#run();
  }

  close(): void {
    this.#closed = true;
    this.#endWait();
    this.#tails.clear();
  }

  #run(): void {
    this.#again = true;
    this.#endWait();
    if (this.#running || this.#closed) return;
    this.#running = true;
    void this.#read().finally(() => {
      this.#running = false;
    });
  }

  async #read(): Promise<void> {
    let waitMs = FIRST_WAIT_MS;
    while (!this.#closed && this.#tails.size > 0) {
      this.#again = false;
      const grew = await Promise.all([...this.#tails.values()].map((tail) => this.#grow(tail)));
      if (grew.includes(true) || this.#again) {
        waitMs = FIRST_WAIT_MS;
        continue;
      }
      const reached = Math.max(0, ...[...this.#tails.values()].map(({ to }) => to));
      if (reached >= this.#target || waitMs > LAST_WAIT_MS) return;
      const wait = waitMs;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, wait);
        this.#endWait = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.#endWait = () => {};
      waitMs *= 2;
    }
  }

  /** Reads on; true when there may be more. */
  async #grow(tail: Tail): Promise<boolean> {
    if (tail.from === undefined) {
      const end = await this.#reader.end(tail.partition);
      if (end === undefined) return false;
      tail.from = end;
      tail.to = end;
      for (const wake of tail.wakes) wake();
      return false;
    }
    const { limit } = tail.pace;
    const page = await this.#reader.read(tail.partition, tail.to, limit);
    // Readers that need what cannot be read find out the reason themselves; this one begins again at the end.
    if (!page.ok && page.failure.code === 'lost') tail.from = undefined;
    if (!page.ok || page.value.to <= tail.to) return false;
    for (const item of page.value.items) {
      tail.items.push(item);
      tail.bytes += item.bytes;
    }
    tail.to = page.value.to;
    tail.pace.saw(page.value.items);
    this.#trim(tail);
    for (const wake of tail.wakes) wake();
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
