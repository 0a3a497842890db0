/** Fetches single changes that heads list and that did not come, or came as references. A few requests at a time, never two for one seq. */
import { graphChanges } from '@polyedge/contracts/bus/feed';
import { isFull } from '@polyedge/contracts/change';
import { errors, type Failure, failed } from '@polyedge/contracts/errors';
import type { Bus } from '@polyedge/service-kit/bus';
import { type Entry, type FeedQueue, Fifo } from './feed-queue.ts';
import type { FeedSettings, FeedStats, FeedSurroundings } from './feed-settings.ts';

const MAX_RUNNING = 4;
/** Of these, so that huge changes do not keep the others waiting. */
const MAX_RUNNING_ALONE = 3;
const MAX_SEQS = 256;
const BACKOFF_MS = 100;
const MAX_BACKOFF_MS = 2_000;

export class FeedFetch {
  readonly #bus: Bus;
  readonly #settings: FeedSettings;
  readonly #around: FeedSurroundings;
  readonly #stats: FeedStats;
  readonly #queue: FeedQueue;
  readonly #filled: () => void;
  readonly #lost: (entry: Entry, failure: Failure) => void;
  readonly #wanted = new Fifo<Entry>();
  readonly #wantedAlone = new Fifo<Entry>();
  #epoch: string | undefined;
  #generation = 0;
  #running = 0;
  #runningAlone = 0;
  #attempt = 0;
  #cancelPause: (() => void) | undefined;

  /** @param parts `filled` is called when something may be ready, `lost` when the store does not have a change that a head listed. */
  constructor(parts: {
    readonly bus: Bus;
    readonly settings: FeedSettings;
    readonly around: FeedSurroundings;
    readonly stats: FeedStats;
    readonly queue: FeedQueue;
    readonly filled: () => void;
    readonly lost: (entry: Entry, failure: Failure) => void;
  }) {
    this.#bus = parts.bus;
    this.#settings = parts.settings;
    this.#around = parts.around;
    this.#stats = parts.stats;
    this.#queue = parts.queue;
    this.#filled = parts.filled;
    this.#lost = parts.lost;
  }

  want(entry: Entry): void {
    if (entry.alone) this.#wantedAlone.push(entry);
    else this.#wanted.push(entry);
  }

  /** Forgets everything; answers that are under way are not heard. */
  clear(): void {
    this.#wanted.take();
    this.#wantedAlone.take();
    this.#epoch = undefined;
    this.#generation += 1;
    this.#running = 0;
    this.#runningAlone = 0;
    this.#attempt = 0;
    this.#cancelPause?.();
    this.#cancelPause = undefined;
  }

  /** Starts what may be started. */
  pump(epoch: string): void {
    this.#epoch = epoch;
    while (this.#running < MAX_RUNNING && this.#cancelPause === undefined && this.#bus.status === 'connected') {
      const entries = this.#queue.dueBytes >= this.#settings.maxStagedBytes ? this.#nextFront() : this.#next();
      if (entries.length === 0) return;
      void this.#ask(epoch, entries);
    }
  }

  #next(): Entry[] {
    const entries: Entry[] = [];
    for (let entry = this.#wanted.shift(); entry !== undefined; entry = this.#wanted.shift()) {
      if (!isMissing(entry)) continue;
      if (entry.alone) {
        this.#wantedAlone.push(entry);
        continue;
      }
      entry.fetching = true;
      if (entries.push(entry) === MAX_SEQS) return entries;
    }
    if (entries.length > 0 || this.#runningAlone >= MAX_RUNNING_ALONE) return entries;
    for (let entry = this.#wantedAlone.shift(); entry !== undefined; entry = this.#wantedAlone.shift()) {
      if (!isMissing(entry)) continue;
      entry.fetching = true;
      return [entry];
    }
    return entries;
  }

  /** With the memory used up: only what others wait behind, one by one. It stays in its list, which passes over it later. */
  #nextFront(): Entry[] {
    for (const entry of this.#queue.fronts()) {
      if (!isMissing(entry)) continue;
      entry.fetching = true;
      return [entry];
    }
    return [];
  }

  async #ask(epoch: string, entries: readonly Entry[]): Promise<void> {
    const generation = this.#generation;
    const alone = entries.every((entry) => entry.alone) ? 1 : 0;
    this.#running += 1;
    this.#runningAlone += alone;
    this.#stats.seqFetches += 1;
    const outcome = await this.#bus.request(
      graphChanges,
      graphChanges.subject({}),
      { epoch, seqs: entries.map(({ seq }) => seq) },
      { timeoutMs: this.#settings.requestTimeoutMs },
    );
    if (generation !== this.#generation) return;
    this.#running -= 1;
    this.#runningAlone -= alone;
    for (const entry of entries) entry.fetching = false;
    if (!outcome.ok) this.#fail(entries, outcome.failure);
    else if (outcome.value.epoch !== epoch) this.#fail(entries, { code: 'unavailable' });
    else {
      const last = entries.at(-1)?.seq ?? 0;
      for (const change of outcome.value.changes) {
        if (!isFull(change)) continue;
        this.#stats.fetchedChanges += 1;
        this.#queue.fill(change.seq, change, JSON.stringify(change).length);
      }
      const { to } = outcome.value;
      const rest = entries.filter(isMissing);
      if (to < last && rest.length === entries.length) this.#fail(entries, { code: 'unavailable' });
      else {
        this.#attempt = 0;
        for (const entry of rest) {
          if (entry.seq > to) this.want(entry);
          else this.#lost(entry, failed('lost', 'a change is no longer kept').failure);
        }
      }
    }
    this.#filled();
    this.pump(epoch);
  }

  #fail(entries: readonly Entry[], failure: Failure): void {
    this.#stats.fetchFailures += 1;
    const later = errors[failure.code].retry === 'later';
    if (!later && entries.length === 1) {
      for (const entry of entries) if (isMissing(entry)) this.#lost(entry, failure);
      return;
    }
    for (const entry of entries) {
      // One of them may be what the store refuses: the others must not go with it.
      if (!later) entry.alone = true;
      this.want(entry);
    }
    if (!later) return;
    const ms = Math.min(MAX_BACKOFF_MS, BACKOFF_MS * 2 ** this.#attempt) * (0.5 + this.#around.random() / 2);
    this.#attempt = Math.min(this.#attempt + 1, 10);
    this.#cancelPause ??= this.#around.after(ms, () => {
      this.#cancelPause = undefined;
      if (this.#epoch !== undefined) this.pump(this.#epoch);
    });
  }
}

const isMissing = (entry: Entry): boolean => entry.change === undefined && entry.left > 0 && !entry.fetching;
