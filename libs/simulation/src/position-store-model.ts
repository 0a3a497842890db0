/** A model of the store, as groups see it: a journal in partitions, and the positions of groups. */
import type { FullChange } from '@polyedge/contracts/change';
import type { Outcome } from '@polyedge/contracts/errors';
import type { Fence, GroupReplies, Item, JournalPage } from '@polyedge/journal/groups/messages';
import type { CommittedPosition } from '@polyedge/journal/groups/port';
import { PositionsModel } from '@polyedge/journal/testing/positions-model';

export class PositionStoreModel {
  readonly partitions: number;
  epoch = 'e1';
  /** The seqs of each partition. */
  readonly #log: number[][];
  /** The partition of each seq. */
  readonly #partitions: number[] = [];
  readonly #positions: PositionsModel;
  #seq = 0;

  constructor(partitions: number) {
    this.partitions = partitions;
    this.#positions = new PositionsModel(partitions);
    this.#log = Array.from({ length: partitions }, () => []);
  }

  get seq(): number {
    return this.#seq;
  }

  /** Appends a change to a partition. */
  write(partition: number): number {
    this.#seq += 1;
    this.#log[partition]?.push(this.#seq);
    this.#partitions.push(partition);
    return this.#seq;
  }

  seqsOf(partition: number): readonly number[] {
    return this.#log[partition] ?? [];
  }

  /** -1 for a seq that was never written. */
  partitionOf(seq: number): number {
    return this.#partitions[seq - 1] ?? -1;
  }

  positionOf(name: string, partition: number): number {
    return this.#positions.positionOf(name, partition);
  }

  open(name: string, start: 'largest' | 'smallest'): Outcome<GroupReplies['open']> {
    return this.#positions.open(name, start, this);
  }

  claim(group: number, claims: readonly Fence[]): Outcome<GroupReplies['claim']> {
    return this.#positions.claim(group, claims);
  }

  commit(positions: readonly CommittedPosition[], touched: readonly number[]): Outcome<GroupReplies['commit']> {
    return this.#positions.commit(positions, touched);
  }

  /** A page, as Redis or the store returns it, up to the head that its reader knows. */
  read(partition: number, after: number, limit: number, upTo: number): JournalPage {
    const seqs = this.seqsOf(partition)
      .filter((seq) => seq > after && seq <= upTo)
      .slice(0, limit);
    const items: Item[] = seqs.map((seq) => ({ seq, change: { seq, tenant: 't' } as FullChange, bytes: 100 })); // groups look at nothing else
    return { items, to: items.length === limit ? (seqs.at(-1) ?? after) : Math.max(after, upTo) };
  }
}
