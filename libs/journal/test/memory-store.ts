/** The store as groups see it, in memory and in this process: the rules of graph-store's positions without a database, and failures on demand. */
import type { FullChange } from '@polyedge/contracts/change';
import { done, type Failure, failed, type Outcome } from '@polyedge/contracts/errors';
import type { GroupSignals, GroupStore, Position } from '../src/groups/port.ts';

export const PARTITIONS = 16;

interface Stored {
  readonly id: number;
  readonly positions: { position: number; fence: number }[];
}

export class MemoryStore implements GroupStore {
  epoch: string;
  readonly changes: FullChange[] = [];
  readonly groups = new Map<string, Stored>();
  /** What opening a group is answered with instead. */
  refusal: Failure | undefined;
  #count = 0;

  constructor(epoch: string) {
    this.epoch = epoch;
  }

  get seq(): number {
    return this.changes.length;
  }

  /** One change of an element of its own. */
  write(): FullChange {
    const seq = this.seq + 1;
    // Groups look at nothing else of a change.
    const change = { seq, epoch: this.epoch, tenant: 't', id: `e${seq}` } as FullChange;
    this.changes.push(change);
    return change;
  }

  /** An older copy of the database came back, in which the newest changes are missing. */
  restore(epoch: string, seq: number): void {
    this.epoch = epoch;
    this.changes.length = seq;
    for (const { positions } of this.groups.values()) {
      for (const stored of positions) {
        stored.position = Math.min(stored.position, seq);
        stored.fence += 1;
      }
    }
  }

  positionOf(group: string, partition: number): number {
    return this.groups.get(group)?.positions[partition]?.position ?? -1;
  }

  async open(_tenant: string, name: string, start: 'largest' | 'smallest') {
    if (this.refusal !== undefined) return { ok: false, failure: this.refusal } as const;
    const known = this.groups.get(name);
    if (known !== undefined) return done({ id: known.id, created: false, epoch: this.epoch, partitions: PARTITIONS });
    this.#count += 1;
    const position = start === 'largest' ? this.seq : 0;
    this.groups.set(name, { id: this.#count, positions: Array.from({ length: PARTITIONS }, () => ({ position, fence: 0 })) });
    return done({ id: this.#count, created: true, epoch: this.epoch, partitions: PARTITIONS });
  }

  async claim(epoch: string, group: number, claims: readonly { readonly partition: number; readonly fence: number }[]) {
    if (epoch !== this.epoch) return failed('lost', 'another history has begun');
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

  async commit(epoch: string, positions: readonly Position[], touched: readonly number[]) {
    if (epoch !== this.epoch) return failed('lost', 'another history has begun');
    const fenced: { group: number; partition: number }[] = [];
    const gone = new Set(touched.filter((id) => this.#byId(id) === undefined));
    for (const { group, partition, fence, position } of positions) {
      const stored = this.#byId(group);
      const of = stored?.positions[partition];
      if (stored === undefined) gone.add(group);
      if (of === undefined || of.fence > fence) fenced.push({ group, partition });
      else of.position = Math.max(of.position, position);
    }
    return done({ fenced, gone: [...gone] });
  }

  async partition(
    epoch: string,
    partition: number,
    after: number,
    limit: number,
  ): Promise<Outcome<{ readonly to: number; readonly changes: readonly FullChange[] }>> {
    if (epoch !== this.epoch) return failed('lost', 'another history has begun');
    const changes = this.changes.filter(({ seq }) => seq > after && seq % PARTITIONS === partition).slice(0, limit);
    return done({ to: changes.length === limit ? (changes.at(-1)?.seq ?? after) : Math.max(after, this.seq), changes });
  }

  async bySeq(_epoch: string, seqs: readonly number[]) {
    return done(this.changes.filter(({ seq }) => seqs.includes(seq)));
  }

  async position() {
    return done({ epoch: this.epoch, oldest: 1 });
  }

  #byId(id: number): Stored | undefined {
    return [...this.groups.values()].find((stored) => stored.id === id);
  }
}

/** Signals between the edges of one process. */
export class MemorySignals implements GroupSignals {
  readonly #hearing = new Set<() => void>();

  heard(_tenant: string, _name: string, moved: () => void): () => void {
    this.#hearing.add(moved);
    return () => this.#hearing.delete(moved);
  }

  tell(): void {
    for (const moved of this.#hearing) queueMicrotask(moved);
  }
}
