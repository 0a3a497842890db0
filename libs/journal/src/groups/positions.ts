/** How far a group is: what was confirmed here, and how Redis and PostgreSQL come to know it. A position only grows. */
import type { EdgeState, EpochGroup } from './edge-state.ts';
import type { Opened } from './members.ts';
import { ask, type OwnedLease, type Procedure } from './messages.ts';
import type { PartitionConsumer } from './partition-consumer.ts';
import type { CommittedPosition } from './port.ts';

export class Positions {
  readonly #state: Pick<EdgeState<EpochGroup>, 'at' | 'saveMs' | 'stats'>;
  /** The furthest position that was ever confirmed here: it stays true whatever Redis forgets. */
  readonly #furthest = new Map<number, number>();
  #saving = false;
  #saveAt = Number.NEGATIVE_INFINITY;

  constructor(state: Pick<EdgeState<EpochGroup>, 'at' | 'saveMs' | 'stats'>) {
    this.#state = state;
  }

  /** 0 for a partition of which nothing was confirmed here. */
  furthest(partition: number): number {
    return this.#furthest.get(partition) ?? 0;
  }

  reached({ partition, position }: PartitionConsumer): void {
    this.#furthest.set(partition, Math.max(this.furthest(partition), position));
  }

  /** The group is another one now. */
  forget(): void {
    this.#furthest.clear();
  }

  /** Whether something that Redis does not know may be saved now. */
  isDue(consumers: readonly PartitionConsumer[]): boolean {
    const { at, saveMs } = this.#state;
    return !this.#saving && at - this.#saveAt >= saveMs && consumers.some(({ confirmed, saved }) => confirmed > saved);
  }

  /**
   * Keeps the working copy in Redis close to what clients confirmed, so that a successor repeats little.
   *
   * @returns those whose partition is somebody else's by now
   */
  *save({ id, epoch }: Opened, consumers: readonly PartitionConsumer[]): Procedure<readonly PartitionConsumer[]> {
    const moved = consumers.filter(({ confirmed, saved }) => confirmed > saved);
    const held = moved.map(heldBy);
    this.#saving = true;
    this.#saveAt = this.#state.at;
    const saved = yield* ask({ call: 'hold', epoch: epoch.name, group: id, what: 'save', held });
    this.#saving = false;
    if (!saved.ok) {
      this.#state.stats.redisFailures += 1;
      return [];
    }
    for (const [at, one] of moved.entries()) one.saved = Math.max(one.saved, held[at]?.position ?? -1);
    return moved.filter(({ partition }) => saved.value.includes(partition));
  }
}

export const heldBy = ({ partition, fence, position }: PartitionConsumer): OwnedLease => ({ partition, fence, position });

/** What PostgreSQL has not heard of. */
export const uncommitted = (group: number, consumers: readonly PartitionConsumer[]): CommittedPosition[] =>
  consumers.filter(({ position, committed }) => position > committed).map((one) => ({ group, ...heldBy(one) }));
