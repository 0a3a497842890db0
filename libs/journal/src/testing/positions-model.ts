/** Positions of consumer groups in memory, by the rules of graph-store: a position only moves forward, and only under a fence in force. */
import { done, failed, type Outcome } from '@polyedge/contracts/errors';
import type { Fence, GroupReplies } from '../groups/messages.ts';
import type { CommittedPosition } from '../groups/port.ts';

interface Stored {
  readonly id: number;
  readonly positions: { position: number; fence: number }[];
}

export class PositionsModel {
  readonly partitions: number;
  readonly #groups = new Map<string, Stored>();
  #opened = 0;

  constructor(partitions: number) {
    this.partitions = partitions;
  }

  /** Of a group that does not exist: -1. */
  positionOf(name: string, partition: number): number {
    return this.#groups.get(name)?.positions[partition]?.position ?? -1;
  }

  /** @param at the history that a new group begins in, and its newest seq */
  open(name: string, start: 'largest' | 'smallest', at: { readonly epoch: string; readonly seq: number }): Outcome<GroupReplies['open']> {
    const { partitions } = this;
    const { epoch, seq } = at;
    const known = this.#groups.get(name);
    if (known !== undefined) return done({ id: known.id, created: false, epoch, partitions });
    const position = start === 'largest' ? seq : 0;
    this.#opened += 1;
    const id = this.#opened;
    this.#groups.set(name, { id, positions: Array.from({ length: partitions }, () => ({ position, fence: 0 })) });
    return done({ id, created: true, epoch, partitions });
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

  commit(positions: readonly CommittedPosition[], touched: readonly number[]): Outcome<GroupReplies['commit']> {
    const fenced: { group: number; partition: number }[] = [];
    for (const { group, partition, fence, position } of positions) {
      const of = this.#byId(group)?.positions[partition];
      if (of === undefined || of.fence > fence) fenced.push({ group, partition });
      else {
        of.fence = fence;
        of.position = Math.max(of.position, position);
      }
    }
    const asked = new Set([...touched, ...fenced.map(({ group }) => group)]);
    return done({ fenced, gone: [...asked].filter((id) => this.#byId(id) === undefined) });
  }

  /** What a store that looks at no fence does first: the position of a fence that is not in force any more is taken, back as well as forward. */
  commitWithoutFence(positions: readonly CommittedPosition[]): void {
    for (const { group, partition, fence, position } of positions) {
      const of = this.#byId(group)?.positions[partition];
      if (of !== undefined && of.fence > fence) of.position = position;
    }
  }

  /** The group goes to another store: here it is no more. @returns its position in each partition; undefined when there is none */
  leave(name: string): readonly number[] | undefined {
    const positions = this.#groups.get(name)?.positions.map(({ position }) => position);
    this.#groups.delete(name);
    return positions;
  }

  /** A group comes from another store. @param positions by partition */
  arrive(name: string, positions: readonly number[]): void {
    this.#opened += 1;
    this.#groups.set(name, { id: this.#opened, positions: positions.map((position) => ({ position, fence: 0 })) });
  }

  /** The group is no more; one of the same name is another. */
  expire(name: string): void {
    this.#groups.delete(name);
  }

  /** An older copy of the database came back: nothing is later than its newest seq, and no fence of before is in force. */
  restore(seq: number): void {
    for (const { positions } of this.#groups.values()) {
      for (const stored of positions) {
        stored.position = Math.min(stored.position, seq);
        stored.fence += 1;
      }
    }
  }

  #byId(id: number): Stored | undefined {
    for (const stored of this.#groups.values()) if (stored.id === id) return stored;
    return undefined;
  }
}
