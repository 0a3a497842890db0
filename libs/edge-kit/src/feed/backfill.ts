/**
 * Fetches single changes that heads list but that did not arrive, or arrived as references. A few requests at a time, never two for the
 * same seq.
 */
import type { graphChanges } from '@polyedge/contracts/bus/feed';
import { isFull } from '@polyedge/contracts/change';
import type { ReplyOf } from '@polyedge/contracts/channel';
import { errors, type Failure, failed, type Outcome } from '@polyedge/contracts/errors';
import { jsonCharacters } from '@polyedge/query/json-size';
import { Fifo } from './fifo.ts';
import { type FeedEffect, HAND_OUT_SOON } from './messages.ts';
import type { Resequencer, StagedChange } from './resequencer.ts';
import type { FeedSettings, FeedStats } from './settings.ts';
import type { Watchers } from './watchers.ts';

const MAX_RUNNING = 4;
/** Limits these, so that huge changes do not delay the others. */
const MAX_RUNNING_ALONE = 3;
const MAX_SEQS = 256;
const BACKOFF_MS = 100;
const MAX_BACKOFF_MS = 2_000;

interface Fetching {
  readonly epoch: string;
  readonly entries: readonly StagedChange[];
  readonly alone: boolean;
}

export class Backfill {
  readonly #settings: FeedSettings;
  readonly #stats: FeedStats;
  readonly #effects: FeedEffect[];
  readonly #resequencer: Resequencer;
  readonly #watchers: Watchers;
  readonly #wanted = new Fifo<StagedChange>();
  readonly #wantedAlone = new Fifo<StagedChange>();
  readonly #fetching = new Map<number, Fetching>();
  #requests = 0;
  #attempt = 0;
  #pausing = false;

  constructor(settings: FeedSettings, stats: FeedStats, effects: FeedEffect[], resequencer: Resequencer, watchers: Watchers) {
    this.#settings = settings;
    this.#stats = stats;
    this.#effects = effects;
    this.#resequencer = resequencer;
    this.#watchers = watchers;
  }

  add(entry: StagedChange): void {
    if (entry.alone) this.#wantedAlone.push(entry);
    else this.#wanted.push(entry);
  }

  /** Clears the state; replies in flight are ignored. */
  clear(): void {
    this.#wanted.take();
    this.#wantedAlone.take();
    this.#fetching.clear();
    this.#attempt = 0;
    this.#pausing = false;
    this.#effects.push({ do: 'cancel', timer: 'backfill' });
  }

  /** Starts as many requests as allowed. */
  pump(epoch: string, connected: boolean): void {
    while (this.#fetching.size < MAX_RUNNING && !this.#pausing && connected) {
      const entries = this.#resequencer.dueBytes >= this.#settings.maxStagedBytes ? this.#nextFront() : this.#next();
      if (entries.length === 0) return;
      this.#requests += 1;
      this.#stats.seqFetches += 1;
      this.#fetching.set(this.#requests, { epoch, entries, alone: entries.every(({ alone }) => alone) });
      this.#effects.push({ do: 'request-changes', id: this.#requests, epoch, seqs: entries.map(({ seq }) => seq) });
    }
  }

  woken(): void {
    this.#pausing = false;
  }

  answered(id: number, outcome: Outcome<ReplyOf<typeof graphChanges>>): void {
    const fetching = this.#fetching.get(id);
    if (fetching === undefined) return;
    this.#fetching.delete(id);
    const { epoch, entries } = fetching;
    for (const entry of entries) entry.fetching = false;
    if (!outcome.ok) this.#fail(entries, outcome.failure);
    else if (outcome.value.epoch !== epoch) this.#fail(entries, { code: 'unavailable' });
    else this.#filled(entries, outcome.value);
    this.#effects.push(HAND_OUT_SOON);
  }

  #filled(entries: readonly StagedChange[], { changes, to }: ReplyOf<typeof graphChanges>): void {
    for (const change of changes) {
      if (!isFull(change)) continue;
      this.#stats.fetchedChanges += 1;
      this.#resequencer.fill(change.seq, change, jsonCharacters(change));
    }
    const rest = entries.filter(isMissing);
    if (to < (entries.at(-1)?.seq ?? 0) && rest.length === entries.length) {
      this.#fail(entries, { code: 'unavailable' });
      return;
    }
    this.#attempt = 0;
    for (const entry of rest) {
      if (entry.seq > to) this.add(entry);
      else this.#lose(entry, failed('lost', 'a change is no longer kept').failure);
    }
  }

  #next(): StagedChange[] {
    const entries: StagedChange[] = [];
    for (let entry = this.#wanted.shift(); entry !== undefined; entry = this.#wanted.shift()) {
      if (!isMissing(entry)) continue;
      if (entry.alone) {
        this.#wantedAlone.push(entry);
        continue;
      }
      entry.fetching = true;
      if (entries.push(entry) === MAX_SEQS) return entries;
    }
    const alone = [...this.#fetching.values()].filter((fetching) => fetching.alone).length;
    if (entries.length > 0 || alone >= MAX_RUNNING_ALONE) return entries;
    for (let entry = this.#wantedAlone.shift(); entry !== undefined; entry = this.#wantedAlone.shift()) {
      if (!isMissing(entry)) continue;
      entry.fetching = true;
      return [entry];
    }
    return entries;
  }

  /** When the memory is used up: only changes that others wait behind, one at a time. They stay in their list, which skips them later. */
  #nextFront(): StagedChange[] {
    for (const entry of this.#resequencer.fronts()) {
      if (!isMissing(entry)) continue;
      entry.fetching = true;
      return [entry];
    }
    return [];
  }

  #fail(entries: readonly StagedChange[], failure: Failure): void {
    this.#stats.fetchFailures += 1;
    const later = errors[failure.code].retry === 'later';
    if (!later && entries.length === 1) {
      for (const entry of entries) if (isMissing(entry)) this.#lose(entry, failure);
      return;
    }
    for (const entry of entries) {
      // The store may have rejected one of them, which must not affect the others.
      if (!later) entry.alone = true;
      this.add(entry);
    }
    if (!later) return;
    const ms = Math.min(MAX_BACKOFF_MS, BACKOFF_MS * 2 ** this.#attempt) / 2;
    this.#attempt = Math.min(this.#attempt + 1, 10);
    if (this.#pausing) return;
    this.#pausing = true;
    this.#effects.push({ do: 'wake', timer: 'backfill', ms, spreadMs: ms });
  }

  /** The store does not have a change that a head listed: the watches that wait for it end. */
  #lose(entry: StagedChange, failure: Failure): void {
    for (const interest of entry.interests) this.#watchers.loseInterest(interest, failure);
  }
}

const isMissing = (entry: StagedChange): boolean => entry.change === undefined && entry.left > 0 && !entry.fetching;
