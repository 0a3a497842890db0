/** The confirmed positions of a group, and saving them to Redis and PostgreSQL. A position only grows. */
import type { EdgeState, EpochGroup } from './edge-state.ts';
import type { Opened } from './members.ts';
import { call, type GroupProcedure, type OwnedLease } from './messages.ts';
import type { PartitionConsumer } from './partition-consumer.ts';
import type { CommittedPosition } from './port.ts';

export class Positions {
  readonly #state: Pick<EdgeState<EpochGroup>, 'at' | 'saveMs' | 'stats'>;
  /** The furthest position confirmed here, which stays valid even if Redis loses its data. */
  readonly #furthest = new Map<number, number>();
  #saving = false;
  #saveAt = Number.NEGATIVE_INFINITY;

  constructor(state: Pick<EdgeState<EpochGroup>, 'at' | 'saveMs' | 'stats'>) {
    this.#state = state;
  }

  /** 0 if nothing of the partition was confirmed here. */
  furthest(partition: number): number {
    return this.#furthest.get(partition) ?? 0;
  }

  reached({ partition, position }: PartitionConsumer): void {
    this.#furthest.set(partition, Math.max(this.furthest(partition), position));
  }

  /** The group has been created again. */
  forget(): void {
    this.#furthest.clear();
  }

  /** Whether a position that Redis does not have is due to be saved. */
  isDue(consumers: readonly PartitionConsumer[]): boolean {
    const { at, saveMs } = this.#state;
    return !this.#saving && at - this.#saveAt >= saveMs && consumers.some(({ confirmed, saved }) => confirmed > saved);
  }

  /**
   * Keeps the working copy in Redis close to what clients have confirmed, so that a successor redelivers little.
   *
   * @returns those whose partition has another owner now
   */
  *save({ id, epoch }: Opened, consumers: readonly PartitionConsumer[]): GroupProcedure<readonly PartitionConsumer[]> {
    const moved = consumers.filter(({ confirmed, saved }) => confirmed > saved);
    const held = moved.map(heldBy);
    this.#saving = true;
    this.#saveAt = this.#state.at;
    const saved = yield* call({ call: 'hold', epoch: epoch.name, group: id, what: 'save', held });
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

/** The positions that PostgreSQL does not have yet. */
export const uncommitted = (group: number, consumers: readonly PartitionConsumer[]): CommittedPosition[] =>
  consumers.filter(({ position, committed }) => position > committed).map((one) => ({ group, ...heldBy(one) }));
