/** An in-memory model of the hot journal in Redis and its scripts (`libs/journal/src/scripts`). */
import type { Appended, Claimed, JournalEntry, LogPage, LostClaim, PartitionState } from '@polyedge/journal/hot-journal';

interface Meta {
  fence: number;
  generation: number;
  last: number;
  head: number;
  since: number;
}

const NOTHING: Meta = { fence: 0, generation: 0, last: 0, head: 0, since: 0 };

type Body = Omit<JournalEntry, 'prev'>;

/** The partitions of one epoch. */
export class HotJournalModel {
  #partitions = new Map<number, Meta>();
  /** Arrays are replaced, never changed. */
  #logs = new Map<string, readonly JournalEntry[]>();

  wipe(): void {
    this.#partitions.clear();
    this.#logs.clear();
  }

  /** @returns a function that restores the current state */
  copy(): () => void {
    const partitions = new Map([...this.#partitions].map(([partition, meta]) => [partition, { ...meta }]));
    const logs = new Map(this.#logs);
    return () => {
      this.#partitions = partitions;
      this.#logs = logs;
    };
  }

  claim(partition: number, fence: number): Claimed {
    const meta = this.#meta(partition);
    if (meta.fence > fence) return { is: 'fenced', fence: meta.fence };
    this.#partitions.set(partition, { ...meta, fence });
    return { is: 'claimed', ...this.state(partition) };
  }

  state(partition: number): PartitionState {
    const { generation, last, head } = this.#meta(partition);
    return { generation, last, head };
  }

  append(partition: number, fence: number, state: PartitionState, head: number, trimBelow: number, changes: readonly Body[]): Appended {
    const meta = this.#meta(partition);
    if (meta.fence > fence) return 'fenced';
    const key = keyOf(partition, state.generation);
    const log = this.#logs.get(key) ?? [];
    const found = log.at(-1)?.seq;
    // An empty log is valid if it never had an entry, or if all its entries were trimmed.
    const differs = found === undefined ? meta.last !== 0 && !this.#logs.has(key) : found !== meta.last;
    // Generation 0 means that none is in use.
    const isOther = meta.generation === 0 || meta.generation !== state.generation || meta.last !== state.last;
    if (meta.fence < fence || isOther || differs) return 'differs';
    const added = [...log, ...following(meta.last, changes)];
    this.#logs.set(key, (added[0]?.seq ?? trimBelow) < trimBelow ? added.filter(({ seq }) => seq >= trimBelow) : added);
    this.#partitions.set(partition, { ...meta, last: changes.at(-1)?.seq ?? meta.last, head });
    return 'appended';
  }

  clear(partition: number, fence: number, generation: number): 'cleared' | LostClaim {
    const refused = this.#refuses(partition, fence);
    if (refused !== undefined) return refused;
    this.#logs.delete(keyOf(partition, generation));
    return 'cleared';
  }

  fill(partition: number, fence: number, generation: number, after: number, changes: readonly Body[]): 'filled' | LostClaim {
    const refused = this.#refuses(partition, fence);
    if (refused !== undefined) return refused;
    const key = keyOf(partition, generation);
    const log = this.#logs.get(key) ?? [];
    const added = following(after, changes);
    for (const { seq } of added) if (seq <= (log.at(-1)?.seq ?? 0)) throw new Error(`partition ${partition} is filled out of order`);
    if (added.length > 0) this.#logs.set(key, [...log, ...added]);
    return 'filled';
  }

  switchTo(partition: number, fence: number, state: PartitionState, since: number): 'switched' | LostClaim {
    const refused = this.#refuses(partition, fence);
    if (refused !== undefined) return refused;
    const { generation, last, head } = state;
    if ((this.#logs.get(keyOf(partition, generation))?.at(-1)?.seq ?? 0) !== last) return 'forgot';
    this.#partitions.set(partition, { fence, generation, last, head, since });
    this.#logs.delete(keyOf(partition, generation - 1));
    return 'switched';
  }

  read(partition: number, generation: number, after: number, limit: number): LogPage {
    const meta = this.#partitions.get(partition);
    if (meta === undefined || meta.generation === 0 || meta.generation !== generation)
      return { is: 'generation', generation: meta?.generation ?? 0 };
    const log = this.#logs.get(keyOf(partition, generation)) ?? [];
    const first = log.findLastIndex(({ seq }) => seq <= after) + 1;
    const found = log.slice(first, first + limit);
    const hole = found.findIndex(({ prev }, at) => at > 0 && prev !== found[at - 1]?.seq);
    const entries = hole === -1 ? found : found.slice(0, hole);
    const { last, head, since } = meta;
    return {
      ...{ is: 'read', last, head, since, prev: found[0]?.prev, cut: hole !== -1 },
      entries: entries.map(({ seq, json }) => ({ seq, json })),
    };
  }

  newest(partition: number): JournalEntry | undefined {
    return this.#logs.get(keyOf(partition, this.#meta(partition).generation))?.at(-1);
  }

  /** The entries of the generation in use, and the range that they cover. */
  log(partition: number): { readonly entries: readonly JournalEntry[]; readonly head: number; readonly since: number } {
    const { generation, head, since } = this.#meta(partition);
    return { entries: this.#logs.get(keyOf(partition, generation)) ?? [], head, since };
  }

  #meta(partition: number): Meta {
    return this.#partitions.get(partition) ?? NOTHING;
  }

  #refuses(partition: number, fence: number): LostClaim | undefined {
    const meta = this.#meta(partition);
    if (meta.fence === fence) return undefined;
    return meta.fence > fence ? 'fenced' : 'forgot';
  }
}

const keyOf = (partition: number, generation: number): string => `${partition}.${generation}`;

function following(last: number, changes: readonly Body[]): JournalEntry[] {
  let prev = last;
  return changes.map(({ seq, json }) => {
    const entry = { seq, prev, json };
    prev = seq;
    return entry;
  });
}
