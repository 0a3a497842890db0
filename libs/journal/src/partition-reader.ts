/** Reads a partition of the journal from Redis; what Redis does not have is read from PostgreSQL. */
import { type FullChange, isFull } from '@polyedge/contracts/change';
import { StoredChange } from '@polyedge/contracts/change-text';
import { done, failed, type Outcome } from '@polyedge/contracts/errors';
import { jsonCharacters } from '@polyedge/query/json-size';
import { parseOwnJson } from '@polyedge/query/json-text';
import type { Item, JournalPage } from './groups/messages.ts';
import type { GroupStore } from './groups/port.ts';
import type { HotJournal, JournalEntry } from './hot-journal.ts';

export interface ReaderStats {
  /** Pages read from PostgreSQL, because Redis no longer had them or had a hole. */
  fromStore: number;
}

const ATTEMPTS = 3;

export class PartitionReader {
  readonly stats: ReaderStats = { fromStore: 0 };
  readonly #hot: Pick<HotJournal, 'epoch' | 'read' | 'state'>;
  readonly #store: Pick<GroupStore, 'partition' | 'bySeq'>;
  readonly #generations = new Map<number, number>();

  constructor(hot: Pick<HotJournal, 'epoch' | 'read' | 'state'>, store: Pick<GroupStore, 'partition' | 'bySeq'>) {
    this.#hot = hot;
    this.#store = store;
  }

  /** `unavailable`: Redis does not answer. `lost`: the journal no longer has the range, or has another epoch. */
  async read(partition: number, after: number, limit: number): Promise<Outcome<JournalPage>> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const page = await this.#readHot(partition, after, limit);
      if (page === 'away') return failed('unavailable', 'Redis does not answer');
      if (page.is === 'generation') {
        if (page.generation === 0) break;
        this.#generations.set(partition, page.generation);
        continue;
      }
      if (after < page.since) break;
      const last = page.entries.at(-1);
      // The first entry is not the next one, or newer entries are missing.
      if (last === undefined ? page.last > after : (page.prev ?? 0) > after) break;
      if (last === undefined) return done({ items: [], to: Math.max(after, page.head) });
      const isWhole = !page.cut && page.entries.length < limit && last.seq === page.last;
      return await this.#parse(page.entries, isWhole ? Math.max(last.seq, page.head) : last.seq);
    }
    return await this.#readStore(partition, after, limit);
  }

  /** The current end of a partition; undefined if Redis does not have it. */
  async end(partition: number): Promise<number | undefined> {
    try {
      const { generation, last, head } = await this.#hot.state(partition);
      return generation === 0 ? undefined : Math.max(last, head);
    } catch {
      return undefined;
    }
  }

  async #readHot(partition: number, after: number, limit: number): Promise<Awaited<ReturnType<HotJournal['read']>> | 'away'> {
    try {
      return await this.#hot.read(partition, this.#generations.get(partition) ?? 1, after, limit);
    } catch {
      return 'away';
    }
  }

  async #readStore(partition: number, after: number, limit: number): Promise<Outcome<JournalPage>> {
    this.stats.fromStore += 1;
    const read = await this.#store.partition(this.#hot.epoch, partition, after, limit);
    if (!read.ok) return read;
    const items = read.value.changes.map((change) => ({ seq: change.seq, change, bytes: jsonCharacters(change) }));
    return done({ items, to: read.value.to });
  }

  /** Entries without a body were too large for Redis and are fetched. */
  async #parse(entries: readonly Omit<JournalEntry, 'prev'>[], to: number): Promise<Outcome<JournalPage>> {
    const missing = entries.filter(({ json }) => json === '').map(({ seq }) => seq);
    const fetched = new Map<number, FullChange>();
    if (missing.length > 0) {
      const found = await this.#store.bySeq(this.#hot.epoch, missing);
      if (!found.ok) return found;
      for (const change of found.value) fetched.set(change.seq, change);
    }
    const items: Item[] = [];
    for (const { seq, json } of entries) {
      if (json !== '') {
        // JSON of a change; written by an older publisher in another order of members.
        const change = StoredChange.read(json) ?? (parseOwnJson(json) as FullChange);
        items.push({ seq, change, bytes: json.length });
        continue;
      }
      const change = fetched.get(seq);
      // A reply may be cut at a maximum size; it is complete up to this entry.
      if (change === undefined) return items.length === 0 ? failed('unavailable') : done({ items, to: items.at(-1)?.seq ?? to });
      if (isFull(change)) items.push({ seq, change, bytes: jsonCharacters(change) });
    }
    return done({ items, to });
  }
}
