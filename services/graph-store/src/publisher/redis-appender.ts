/**
 * Keeps the hot journal in Redis: the holder of the publisher's lease appends every change to its partition, in order. Redis never delays NATS:
 * this has a cursor of its own, waits for Redis as long as it takes, and rebuilds a partition from PostgreSQL when Redis does not have what it
 * should (wiped, restored, lost its last second).
 */

import { MAX_CHANGE_BYTES } from '@polyedge/contracts/bus/feed';
import type { FullChange } from '@polyedge/contracts/change';
import { SYSTEM_SCOPE } from '@polyedge/contracts/element';
import { dropOtherEpochs, type Entry, HotJournal, type PartitionState } from '@polyedge/journal/hot-journal';
import type { Redis } from '@polyedge/journal/redis';
import type { Log } from '@polyedge/service-kit/log';
import { partitionOf, slotOf } from '../core/slot.ts';
import type { Journal } from '../postgres/journal.ts';
import type { RecentChanges } from './recent.ts';

/** Changes that Redis keeps, over all partitions. */
export const HOT_CHANGES = 1_000_000;
const RUN_CHANGES = 500;
const READ_CHANGES = 1000;
const HEAD_EVERY = 5000;
const RETRY_MS = 500;
const IDLE_MS = 200;
const SLOTS = 256;

export interface AppenderOptions {
  readonly redis: Redis;
  readonly journal: Journal;
  readonly recent: RecentChanges;
  readonly partitions: number;
  readonly log: Log;
  /** The newest commit known. */
  readonly known: () => number;
  /** Whether this replica may still write. */
  readonly held: () => boolean;
  /** Redis answers. False: what it holds was not compared with the journal when the lease was taken; nothing may be appended to it before. */
  readonly onReached: () => boolean;
  /** Redis was written under a higher fence than the one held. */
  readonly onFenced: (fence: number) => void;
}

/** Counters for metrics. */
export interface AppenderStats {
  appended: number;
  rebuilt: number;
  failures: number;
  cursor: number;
}

export class RedisAppender {
  readonly stats: AppenderStats = { appended: 0, rebuilt: 0, failures: 0, cursor: 0 };
  readonly #options: AppenderOptions;
  #term: AbortController | undefined;
  #wake: () => void = () => {};
  #running: Promise<void> = Promise.resolve();

  constructor(options: AppenderOptions) {
    this.#options = options;
  }

  /** Begins to write under a fence. What an earlier term still does ends first. */
  take(fence: number, epoch: string): void {
    this.release();
    const term = new AbortController();
    this.#term = term;
    this.#running = this.#running.then(() => this.#write(fence, new HotJournal(this.#options.redis, epoch), term.signal));
  }

  release(): void {
    this.#term?.abort();
  }

  /** There is something to append: groups wait for it. */
  wake(): void {
    this.#wake();
  }

  /** Waits until woken, or for the time after which an idle Redis is looked at. */
  async #rest(signal: AbortSignal): Promise<void> {
    const waking = new AbortController();
    this.#wake = () => waking.abort();
    await pause(IDLE_MS, AbortSignal.any([signal, waking.signal]));
    this.#wake = () => {};
  }

  async stop(): Promise<void> {
    this.release();
    await this.#running;
  }

  async #write(fence: number, hot: HotJournal, signal: AbortSignal): Promise<void> {
    const { log, held, known, redis } = this.#options;
    let failing = false;
    let others = false;
    while (!signal.aborted) {
      try {
        await redis.ping();
        if (!this.#options.onReached()) return;
        const states = await this.#claim(hot, fence);
        if (states === undefined) return;
        if (!others) {
          await dropOtherEpochs(redis, hot.epoch);
          others = true;
        }
        if (failing) log.info('Redis takes changes again');
        failing = false;
        while (!signal.aborted && held()) {
          if (known() <= this.stats.cursor) {
            await this.#rest(signal);
            // An idle Redis that was wiped is noticed too, not only at the next change.
            if (known() <= this.stats.cursor) await this.#verify(hot, fence, states);
            continue;
          }
          if (!(await this.#append(hot, fence, states))) return;
        }
        if (!held()) await pause(RETRY_MS, signal);
      } catch (error) {
        this.stats.failures += 1;
        if (!failing) log.warn('Redis does not take changes; they wait in PostgreSQL', { err: error });
        failing = true;
        await pause(RETRY_MS, signal);
      }
    }
  }

  /** Takes every partition over and rebuilds those that are not what the journal says. Undefined: another publisher is newer. */
  async #claim(hot: HotJournal, fence: number): Promise<PartitionState[] | undefined> {
    const states: PartitionState[] = [];
    for (let partition = 0; partition < this.#options.partitions; partition += 1) {
      const claimed = await hot.claim(partition, fence);
      if (claimed.is === 'fenced') {
        if (this.#options.held()) this.#options.onFenced(claimed.fence);
        return undefined;
      }
      const state = claimed.generation === 0 ? await this.#rebuild(hot, fence, partition, claimed) : claimed;
      if (state === undefined) return undefined;
      states.push(state);
    }
    this.stats.cursor = Math.min(...states.map(({ head }) => head));
    return states;
  }

  async #rebuild(hot: HotJournal, fence: number, partition: number, state: PartitionState): Promise<PartitionState | undefined> {
    const { journal, partitions, log } = this.#options;
    this.stats.rebuilt += 1;
    const upTo = await journal.newest();
    const from = Math.max(0, upTo - HOT_CHANGES);
    const slots = Array.from({ length: SLOTS }, (_, slot) => slot).filter((slot) => slot % partitions === partition);
    const rebuilt = await hot.rebuild(partition, fence, state.generation, from, upTo, pages(journal, slots, from, upTo));
    if (state.generation !== 0) log.warn(`rebuilt partition ${partition} of the hot journal: Redis did not have what it should`);
    return rebuilt === 'fenced' ? undefined : rebuilt;
  }

  /** Appends the next run. False: another publisher is newer. */
  async #append(hot: HotJournal, fence: number, states: PartitionState[]): Promise<boolean> {
    const { partitions } = this.#options;
    const run = await this.#nextRun();
    const last = run.at(-1)?.seq;
    if (last === undefined) {
      await pause(20, undefined);
      return true;
    }
    const byPartition = new Map<number, Omit<Entry, 'prev'>[]>();
    for (const change of run) {
      if (change.scope === SYSTEM_SCOPE) continue;
      const partition = partitionOf(slotOf(change.id), partitions);
      if (change.seq <= (states[partition]?.last ?? 0)) continue;
      const entries = byPartition.get(partition) ?? [];
      entries.push({ seq: change.seq, json: entryJson(change, this.#options.recent) });
      byPartition.set(partition, entries);
    }
    for (const [partition, { head }] of states.entries()) {
      // A partition that nothing happens in says now and then that it is complete, so that a successor need not look for it from far back.
      if (!byPartition.has(partition) && last - head >= HEAD_EVERY) byPartition.set(partition, []);
    }
    const trimBelow = Math.max(0, last - HOT_CHANGES);
    const results = await Promise.all(
      [...byPartition].map(async ([partition, entries]): Promise<boolean> => {
        const state = states[partition];
        if (state === undefined) return false;
        const result = await hot.append(partition, fence, state, last, trimBelow, entries);
        if (result === 'fenced') return false;
        if (result === 'differs') {
          const claimed = await hot.claim(partition, fence);
          if (claimed.is === 'fenced') return false;
          const rebuilt = await this.#rebuild(hot, fence, partition, claimed);
          if (rebuilt === undefined) return false;
          states[partition] = rebuilt;
          return true;
        }
        states[partition] = { ...state, last: entries.at(-1)?.seq ?? state.last, head: last };
        this.stats.appended += entries.length;
        return true;
      }),
    );
    if (results.includes(false)) return false;
    this.stats.cursor = last;
    return true;
  }

  /** Looks whether Redis still has what was appended last. */
  async #verify(hot: HotJournal, fence: number, states: PartitionState[]): Promise<void> {
    for (const [partition, state] of states.entries()) {
      const found = await hot.state(partition);
      if (found.generation === state.generation && found.last === state.last) continue;
      const claimed = await hot.claim(partition, fence);
      if (claimed.is === 'fenced') return;
      const rebuilt = await this.#rebuild(hot, fence, partition, claimed);
      if (rebuilt !== undefined) states[partition] = rebuilt;
    }
  }

  async #nextRun(): Promise<readonly FullChange[]> {
    const { recent, journal } = this.#options;
    const { cursor } = this.stats;
    const run: FullChange[] = [];
    for (let seq = cursor + 1; run.length < RUN_CHANGES; seq += 1) {
      const next = recent.get(seq);
      if (next === undefined) break;
      run.push(next.change);
    }
    return run.length > 0 ? run : await journal.after(cursor, READ_CHANGES);
  }
}

function entryJson(change: FullChange, recent: RecentChanges): string {
  const known = recent.get(change.seq);
  if (known !== undefined) return known.json ?? '';
  const json = JSON.stringify(change);
  return Buffer.byteLength(json) <= MAX_CHANGE_BYTES ? json : '';
}

async function* pages(journal: Journal, slots: readonly number[], from: number, upTo: number): AsyncGenerator<Omit<Entry, 'prev'>[]> {
  let after = from;
  for (;;) {
    const changes = await journal.ofSlots(slots, after, upTo, READ_CHANGES);
    const last = changes.at(-1);
    if (last === undefined) return;
    yield changes.map((change) => {
      const json = JSON.stringify(change);
      return { seq: change.seq, json: Buffer.byteLength(json) <= MAX_CHANGE_BYTES ? json : '' };
    });
    after = last.seq;
  }
}

async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(end, ms);
    function end(): void {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      resolve();
    }
    signal?.addEventListener('abort', end, { once: true });
  });
}
