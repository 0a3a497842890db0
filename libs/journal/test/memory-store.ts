/** The store as groups see it, in memory and in this process, and failures on demand. */
import type { FullChange } from '@polyedge/contracts/change';
import { done, type Failure, failed, type Outcome } from '@polyedge/contracts/errors';
import type { CommittedPosition, GroupSignals, GroupStore } from '../src/groups/port.ts';
import { PositionsModel } from '../src/testing/positions-model.ts';

export const PARTITIONS = 16;

export class MemoryStore implements GroupStore {
  epoch: string;
  readonly changes: FullChange[] = [];
  readonly #positions = new PositionsModel(PARTITIONS);
  /** What opening a group is answered with instead. */
  refusal: Failure | undefined;

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
    this.#positions.restore(seq);
  }

  positionOf(group: string, partition: number): number {
    return this.#positions.positionOf(group, partition);
  }

  expire(name: string): void {
    this.#positions.expire(name);
  }

  async open(_tenant: string, name: string, start: 'largest' | 'smallest') {
    if (this.refusal !== undefined) return { ok: false, failure: this.refusal } as const;
    return this.#positions.open(name, start, this);
  }

  async claim(epoch: string, group: number, claims: readonly { readonly partition: number; readonly fence: number }[]) {
    if (epoch !== this.epoch) return failed('lost', 'another history has begun');
    return this.#positions.claim(group, claims);
  }

  async commit(epoch: string, positions: readonly CommittedPosition[], touched: readonly number[]) {
    if (epoch !== this.epoch) return failed('lost', 'another history has begun');
    return this.#positions.commit(positions, touched);
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
}

/** Signals between the edges of one process. */
export class MemorySignals implements GroupSignals {
  readonly #hearing = new Set<() => void>();

  subscribe(_tenant: string, _name: string, moved: () => void): () => void {
    this.#hearing.add(moved);
    return () => this.#hearing.delete(moved);
  }

  publish(): void {
    for (const moved of this.#hearing) queueMicrotask(moved);
  }
}
