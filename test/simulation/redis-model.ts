/** The Redis of the simulated system: hot journals and consumer groups, by epoch. It can be unavailable, lose its last second, or lose everything. */
import { HotJournalModel } from '@polyedge/simulation/hot-journal-model';
import { RedisGroupsModel } from '@polyedge/simulation/redis-groups-model';
import type { VirtualTime } from '@polyedge/simulation/virtual-time';

export class RedisModel {
  readonly #time: VirtualTime;
  readonly #hot = new Map<string, HotJournalModel>();
  readonly #groups = new Map<string, RedisGroupsModel>();
  awayUntil = 0;

  constructor(time: VirtualTime) {
    this.#time = time;
  }

  get isAway(): boolean {
    return this.awayUntil > this.#time.now;
  }

  hot(epoch: string): HotJournalModel {
    return madeIfMissing(this.#hot, epoch, () => new HotJournalModel());
  }

  groups(epoch: string): RedisGroupsModel {
    return madeIfMissing(this.#groups, epoch, () => new RedisGroupsModel(() => Math.floor(this.#time.now)));
  }

  dropOtherEpochs(epoch: string): void {
    for (const other of [...this.#hot.keys()]) if (other !== epoch) this.#hot.delete(other);
    for (const other of [...this.#groups.keys()]) if (other !== epoch) this.#groups.delete(other);
  }

  wipe(): void {
    for (const hot of this.#hot.values()) hot.wipe();
    for (const groups of this.#groups.values()) groups.wipe();
  }

  /** @returns a function that restores the current state */
  copy(): () => void {
    const copies = [...this.#hot.values(), ...this.#groups.values()].map((each) => each.copy());
    return () => {
      for (const restore of copies) restore();
    };
  }
}

function madeIfMissing<Key, Value>(map: Map<Key, Value>, key: Key, make: () => Value): Value {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}
