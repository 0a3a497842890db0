/** Positions of consumer groups in memory, with the rules of graph-store: a position only moves forward, and only with a fence in force. */
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

  /** -1 if the group does not exist. */
  positionOf(name: string, partition: number): number {
    return this.#groups.get(name)?.positions[partition]?.position ?? -1;
  }

  /** Undefined if the group does not exist. */
  idOf(name: string): number | undefined {
    return this.#groups.get(name)?.id;
  }

  /** @param at epoch and newest seq at which a new group starts */
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

  /** A broken store that checks no fence: positions of replaced fences are stored, also backward. */
  commitWithoutFence(positions: readonly CommittedPosition[]): void {
    for (const { group, partition, fence, position } of positions) {
      const of = this.#byId(group)?.positions[partition];
      if (of !== undefined && of.fence > fence) of.position = position;
    }
  }

  /** The group moves to another store. @returns its position in each partition; undefined if there is no such group */
  leave(name: string): readonly number[] | undefined {
    const positions = this.#groups.get(name)?.positions.map(({ position }) => position);
    this.#groups.delete(name);
    return positions;
  }

  /** A group arrives from another store. @param positions by partition */
  arrive(name: string, positions: readonly number[]): void {
    this.#opened += 1;
    this.#groups.set(name, { id: this.#opened, positions: positions.map((position) => ({ position, fence: 0 })) });
  }

  /** Removes the group; one of the same name is a new group. */
  expire(name: string): void {
    this.#groups.delete(name);
  }

  /** Restores an older backup: no position is beyond its newest seq, and earlier fences are no longer in force. */
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
