/** What all groups of one edge share: the moment, the epoch with its tails, members that Redis still lists, and the effects so far. */
import type { Failure } from '@polyedge/contracts/errors';
import { Procedures } from '../procedure.ts';
import type { GroupCall, GroupsEffect } from './messages.ts';

import { type GroupStats, type GroupTimes, newGroupStats } from './settings.ts';
import { TailCache } from './tail-cache.ts';

/** With many groups each saves more rarely, so that Redis is not kept busy with it: up to half of the second that may come again. */
const SAVE_PER_GROUP_MS = 5;
const SAVE_MOST_MS = 500;

/** One history of the journal. Another epoch means another one of these. */
export interface Epoch {
  readonly name: string;
  readonly tails: TailCache;
}

/** A group, as far as an epoch that ends has to do with it. */
export interface EpochGroup {
  /** Undefined until it is opened: then it has nothing of any epoch. */
  readonly id: number | undefined;
  lose(failure: Failure): void;
}

export const ANOTHER_HISTORY: Failure = { code: 'lost', detail: 'another history has begun' };

export class EdgeState<Group extends EpochGroup> {
  readonly times: GroupTimes;
  readonly offsetMode: 'kafka' | 'literal';
  readonly stats: GroupStats = newGroupStats();
  readonly effects: GroupsEffect[] = [];
  readonly procedures = new Procedures<GroupCall>(this.effects);
  readonly groups = new Map<string, Group>();
  /** Members that have gone and are still listed in Redis, by group. */
  readonly departed = new Map<number, Set<string>>();
  /** Milliseconds of the input that is handled. */
  at = 0;
  /** The newest seq that the feed has announced. */
  announced = 0;
  epoch: Epoch | undefined;
  #batches = 0;

  constructor(times: GroupTimes, offsetMode: 'kafka' | 'literal') {
    this.times = times;
    this.offsetMode = offsetMode;
  }

  /** How often positions go to Redis at the moment. */
  get saveMs(): number {
    return Math.min(Math.max(this.times.saveMs, this.groups.size * SAVE_PER_GROUP_MS), SAVE_MOST_MS);
  }

  newBatch(): number {
    this.#batches += 1;
    return this.#batches;
  }

  /** The parts of an epoch, for a group that is opened in it. One that is not in force yet ends every group of the one that was. */
  enter(epoch: string): Epoch {
    if (this.epoch !== undefined && this.epoch.name !== epoch) this.leave(ANOTHER_HISTORY);
    if (this.epoch === undefined) {
      this.epoch = { name: epoch, tails: new TailCache(epoch, this.effects, this.procedures) };
      this.epoch.tails.announced(this.announced);
    }
    return this.epoch;
  }

  /** Members connect again and begin in the new history. */
  leave(failure: Failure): void {
    const groups = [...this.groups.values()].filter(({ id }) => id !== undefined);
    this.epoch?.tails.close();
    this.epoch = undefined;
    this.announced = 0;
    for (const group of groups) group.lose(failure);
    // What they were listed in goes with its epoch.
    this.departed.clear();
  }

  /** Members have gone, and Redis could not be told: it is told later, or they would be waited for. */
  depart(group: number, members: Iterable<string>): void {
    const known = this.departed.get(group) ?? new Set();
    for (const member of members) known.add(member);
    this.departed.set(group, known);
  }
}
