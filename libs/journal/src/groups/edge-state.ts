/**
 * State shared by all groups of one edge: the time, the epoch with its tails, members that are still listed in Redis, and the effects so
 * far.
 */
import type { Failure } from '@polyedge/contracts/errors';
import { Procedures } from '../procedure.ts';
import type { GroupCall, GroupsEffect } from './messages.ts';
import { type GroupStats, type GroupTimes, newGroupStats } from './settings.ts';
import { TailCache } from './tail-cache.ts';
import { Turns } from './turns.ts';

/** With many groups each saves less often, to limit the load on Redis: up to half of the second that may be redelivered. */
const SAVE_PER_GROUP_MS = 5;
const SAVE_MOST_MS = 500;
/**
 * Groups that rebalance at once. The store opens and claims one after the other: with more, an edge that takes over hundreds of groups
 * would wait for an answer for longer than its time-out, and ask again for what is still being done.
 */
export const MAX_REBALANCING = 16;

/** One epoch of the journal. */
export interface Epoch {
  readonly name: string;
  readonly tails: TailCache;
}

/** A group, as its epoch sees it. */
export interface EpochGroup {
  /** Undefined until it is opened: it then has no state in any epoch. */
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
  /** To rebalance. */
  readonly rebalances = new Turns(MAX_REBALANCING);
  /** Members that have left but are still listed in Redis, by group. */
  readonly departed = new Map<number, Set<string>>();
  /** The time of the current input, in milliseconds. */
  at = 0;
  /** The newest seq that a head has announced. */
  announced = 0;
  epoch: Epoch | undefined;
  #batches = 0;

  constructor(times: GroupTimes, offsetMode: 'kafka' | 'literal') {
    this.times = times;
    this.offsetMode = offsetMode;
  }

  /** The current interval of saving positions to Redis. */
  get saveMs(): number {
    return Math.min(Math.max(this.times.saveMs, this.groups.size * SAVE_PER_GROUP_MS), SAVE_MOST_MS);
  }

  newBatch(): number {
    this.#batches += 1;
    return this.#batches;
  }

  /** The parts of an epoch, for a group that is opened in it. If the epoch is new, every group of the previous one ends. */
  enter(epoch: string): Epoch {
    if (this.epoch !== undefined && this.epoch.name !== epoch) this.leave(ANOTHER_HISTORY);
    if (this.epoch === undefined) {
      this.epoch = { name: epoch, tails: new TailCache(epoch, this.effects, this.procedures) };
      this.epoch.tails.announced(this.announced);
    }
    return this.epoch;
  }

  /** Members reconnect and start in the new epoch. */
  leave(failure: Failure): void {
    const groups = [...this.groups.values()].filter(({ id }) => id !== undefined);
    this.epoch?.tails.close();
    this.epoch = undefined;
    this.announced = 0;
    for (const group of groups) group.lose(failure);
    // The lists belong to the epoch and end with it.
    this.departed.clear();
  }

  /** Members have left, but Redis was unavailable: it is notified later, or other edges would wait for them. */
  depart(group: number, members: Iterable<string>): void {
    const known = this.departed.get(group) ?? new Set();
    for (const member of members) known.add(member);
    this.departed.set(group, known);
  }
}
