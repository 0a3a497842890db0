/** How far a group is: what was confirmed here, and how Redis and PostgreSQL come to know it. A position only grows. */
import type { Opened } from './era.ts';
import type { Position } from './group-port.ts';
import type { Held } from './group-redis.ts';
import type { GroupStats } from './group-settings.ts';
import type { Owned } from './owned.ts';

export class Positions {
  readonly #saveMs: () => number;
  readonly #stats: GroupStats;
  /** The furthest position that was ever confirmed here: it stays true whatever Redis forgets. */
  readonly #furthest = new Map<number, number>();
  #saving = false;
  #saveAt = Number.NEGATIVE_INFINITY;

  /** @param saveMs how often positions go to Redis at the moment */
  constructor(saveMs: () => number, stats: GroupStats) {
    this.#saveMs = saveMs;
    this.#stats = stats;
  }

  /** 0 for a partition of which nothing was confirmed here. */
  furthest(partition: number): number {
    return this.#furthest.get(partition) ?? 0;
  }

  reached({ partition, position }: Owned): void {
    this.#furthest.set(partition, Math.max(this.furthest(partition), position));
  }

  /** The group is another one now. */
  forget(): void {
    this.#furthest.clear();
  }

  /**
   * Keeps the working copy in Redis close to what clients confirmed, so that a successor repeats little.
   *
   * @returns partitions that are somebody else's by now, as they were owned when it was asked
   */
  async save({ id, era }: Opened, owned: readonly Owned[], now: number): Promise<readonly Owned[]> {
    if (this.#saving || now - this.#saveAt < this.#saveMs()) return [];
    const moved = owned.filter(({ confirmed, saved }) => confirmed > saved);
    if (moved.length === 0) return [];
    this.#saving = true;
    this.#saveAt = now;
    const held = moved.map(heldBy);
    try {
      const fenced = new Set(await era.redis.hold(id, 'save', 0, held));
      for (const [at, one] of moved.entries()) one.saved = Math.max(one.saved, held[at]?.position ?? -1);
      return moved.filter(({ partition }) => fenced.has(partition));
    } catch {
      this.#stats.redisFailures += 1;
      return [];
    } finally {
      this.#saving = false;
    }
  }
}

export const heldBy = ({ partition, fence, position }: Owned): Held => ({ partition, fence, position });

/** What PostgreSQL has not heard of. */
export const uncommitted = (group: number, owned: readonly Owned[]): Position[] =>
  owned.filter(({ position, committed }) => position > committed).map((one) => ({ group, ...heldBy(one) }));
