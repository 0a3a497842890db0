/** The store as groups see it: a journal in partitions, and positions that only move forward and only under a fence in force. */
import type { FullChange } from '@polyedge/contracts/change';
import { done, failed, type Outcome } from '@polyedge/contracts/errors';
import type { Fence, GroupReplies, Item, Page } from '@polyedge/journal/groups/messages';
import type { Position } from '@polyedge/journal/groups/port';

interface Stored {
  readonly id: number;
  readonly positions: { position: number; fence: number }[];
}

export class PositionStoreModel {
  readonly partitions: number;
  epoch = 'e1';
  /** Seqs by partition; a seq is in one of them. */
  readonly #log: number[][];
  readonly #groups = new Map<string, Stored>();
  #seq = 0;

  constructor(partitions: number) {
    this.partitions = partitions;
    this.#log = Array.from({ length: partitions }, () => []);
  }

  get seq(): number {
    return this.#seq;
  }

  /** One change of something whose changes all fall into this partition. */
  write(partition: number): number {
    this.#seq += 1;
    this.#log[partition]?.push(this.#seq);
    return this.#seq;
  }

  seqsOf(partition: number): readonly number[] {
    return this.#log[partition] ?? [];
  }

  positionOf(name: string, partition: number): number {
    return this.#groups.get(name)?.positions[partition]?.position ?? -1;
  }

  open(name: string, start: 'largest' | 'smallest'): Outcome<GroupReplies['open']> {
    const known = this.#groups.get(name);
    if (known !== undefined) return done({ id: known.id, created: false, epoch: this.epoch, partitions: this.partitions });
    const position = start === 'largest' ? this.#seq : 0;
    const id = this.#groups.size + 1;
    this.#groups.set(name, { id, positions: Array.from({ length: this.partitions }, () => ({ position, fence: 0 })) });
    return done({ id, created: true, epoch: this.epoch, partitions: this.partitions });
  }

  claim(group: number, claims: readonly Fence[]): Outcome<GroupReplies['claim']> {
    const stored = this.#byId(group);
    if (stored === undefined) return failed('not-found', 'the group has expired');
    const answers = claims.flatMap(({ partition, fence }) => {
      const of = stored.positions[partition];
      if (of === undefined) return [];
      const taken = fence > of.fence;
      of.fence = Math.max(of.fence, fence);
      return [{ partition, fence: of.fence, position: of.position, taken }];
    });
    return done({ claims: answers });
  }

  commit(positions: readonly Position[], touched: readonly number[]): Outcome<GroupReplies['commit']> {
    const fenced: { group: number; partition: number }[] = [];
    for (const { group, partition, fence, position } of positions) {
      const of = this.#byId(group)?.positions[partition];
      if (of === undefined || of.fence > fence) fenced.push({ group, partition });
      else {
        of.fence = fence;
        of.position = Math.max(of.position, position);
      }
    }
    return done({ fenced, gone: touched.filter((id) => this.#byId(id) === undefined) });
  }

  /** A page as Redis or the store gives it, up to what its reader may know of. */
  read(partition: number, after: number, limit: number, upTo: number): Page {
    const seqs = this.seqsOf(partition)
      .filter((seq) => seq > after && seq <= upTo)
      .slice(0, limit);
    const items: Item[] = seqs.map((seq) => ({ seq, change: { seq, tenant: 't' } as FullChange, bytes: 100 })); // groups look at nothing else
    return { items, to: items.length === limit ? (seqs.at(-1) ?? after) : Math.max(after, upTo) };
  }

  #byId(id: number): Stored | undefined {
    for (const stored of this.#groups.values()) if (stored.id === id) return stored;
    return undefined;
  }
}
