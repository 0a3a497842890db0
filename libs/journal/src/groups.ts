/**
 * The consumer groups of one edge (docs/architecture.md, "Groups"): beats its heart, renews its leases, saves and commits positions, and
 * looks for what has changed, all from one timer however many groups there are.
 */
import type { Failure } from '@polyedge/contracts/errors';
import type { Era } from './era.ts';
import { Group } from './group.ts';
import type { GroupSignals, GroupStore, MemberHandler, Membership, Position } from './group-port.ts';
import { GroupRedis } from './group-redis.ts';
import { GROUP_TIMES, type GroupStats, type GroupTimes, newGroupStats } from './group-settings.ts';
import { HotJournal } from './hot-journal.ts';
import { PartitionReader } from './partition-reader.ts';
import type { Redis } from './redis.ts';
import { Tails } from './tails.ts';

/** With many groups each saves more rarely, so that Redis is not kept busy with it: up to half of the second that may come again. */
const SAVE_PER_GROUP_MS = 5;
const SAVE_MOST_MS = 500;

export interface GroupsOptions {
  readonly redis: Redis;
  readonly store: GroupStore;
  readonly signals: GroupSignals;
  /** This process, unlike any other. */
  readonly edge: string;
  readonly times?: Partial<GroupTimes>;
  /** `literal`: a group that had no members skips what it missed when it comes back with `largest`. Default `kafka`: it never does. */
  readonly offsetMode?: 'kafka' | 'literal';
  /** Something an operator should know. */
  onNote?(sentence: string, group: { readonly tenant: string; readonly name: string }): void;
  now?(): number;
}

export class Groups {
  readonly stats: GroupStats = newGroupStats();
  readonly #options: GroupsOptions;
  readonly #times: GroupTimes;
  readonly #now: () => number;
  readonly #groups = new Map<string, Group>();
  /** Members that have gone and are still listed, by group. */
  readonly #departed = new Map<number, Set<string>>();
  #era: Era | undefined;
  #announced = 0;
  #ticker: NodeJS.Timeout | undefined;
  #beatAt = Number.NEGATIVE_INFINITY;
  #commitAt = Number.NEGATIVE_INFINITY;
  #touchAt = Number.NEGATIVE_INFINITY;
  #beating: Promise<void> | undefined;
  #committing: Promise<void> | undefined;
  #count = 0;
  #closed = false;

  constructor(options: GroupsOptions) {
    this.#options = options;
    this.#times = { ...GROUP_TIMES, ...options.times };
    this.#now = options.now ?? (() => performance.now());
    options.redis.on('ready', this.#reconsider);
  }

  /** Makes a socket a member of a group. It is told of its end by `lost` at the latest. */
  join(
    group: { readonly tenant: string; readonly name: string; readonly start: 'largest' | 'smallest' },
    handler: MemberHandler,
  ): Membership {
    const { tenant, name, start } = group;
    const key = JSON.stringify([tenant, name]);
    let found = this.#groups.get(key);
    if (found === undefined) {
      found = this.#newGroup(key, tenant, name);
      this.#groups.set(key, found);
    }
    this.#count += 1;
    const leave = found.join(`${this.#options.edge}.${this.#count}`, start, handler);
    this.#ticker ??= setInterval(() => this.#tick(), this.#times.tickMs);
    return { leave };
  }

  /** A head of the live feed. Another epoch ends every group's history. */
  announced(epoch: string, seq: number): void {
    this.#announced = Math.max(this.#announced, seq);
    if (this.#era === undefined) return;
    if (this.#era.epoch !== epoch) this.#endEra({ code: 'lost', detail: 'another history has begun' });
    else this.#era.tails.announced(seq);
  }

  /** What this edge knows of its groups, for people to look at. */
  views(): ReturnType<Group['view']>[] {
    return [...this.#groups.values()].map((group) => group.view());
  }

  /** Gauges for metrics. */
  gauges(): { readonly groups: number; readonly members: number; readonly owned: number; readonly pending: number; readonly lag: number } {
    const views = this.views();
    const owned = views.flatMap(({ partitions }) => partitions);
    return {
      groups: views.length,
      members: views.reduce((sum, { members }) => sum + members.length, 0),
      owned: owned.length,
      pending: owned.reduce((sum, { pending }) => sum + pending, 0),
      lag: owned.reduce((most, { lag }) => Math.max(most, lag), 0),
    };
  }

  /** How far behind the groups are in one partition: the furthest of them. */
  lagOf(partition: number): number {
    let most = 0;
    for (const group of this.#groups.values()) most = Math.max(most, group.lagOf(partition));
    return most;
  }

  /** Members and owners of a group as Redis has them, over all edges. */
  async shared(
    id: number,
  ): Promise<{ readonly members: Map<string, string>; readonly leases: Awaited<ReturnType<GroupRedis['leases']>> } | undefined> {
    const era = this.#era;
    if (era === undefined) return undefined;
    try {
      return { members: await era.redis.members(id), leases: await era.redis.leases(id) };
    } catch {
      return undefined;
    }
  }

  /** Gives back everything; resolves when it is done, or after a bounded time. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#ticker);
    this.#options.redis.off('ready', this.#reconsider);
    await Promise.all([...this.#groups.values()].map((group) => group.end()));
    await this.#committing;
    this.#era?.tails.close();
  }

  readonly #reconsider = (): void => {
    this.#beatAt = Number.NEGATIVE_INFINITY;
    for (const group of this.#groups.values()) group.reconsider();
  };

  #newGroup(key: string, tenant: string, name: string): Group {
    const { store, signals, edge, onNote, offsetMode = 'kafka' } = this.#options;
    return new Group({
      tenant,
      name,
      edge,
      store,
      signals,
      offsetMode,
      times: this.#times,
      stats: this.stats,
      now: this.#now,
      saveMs: () => Math.min(Math.max(this.#times.saveMs, this.#groups.size * SAVE_PER_GROUP_MS), SAVE_MOST_MS),
      note: (sentence) => onNote?.(sentence, { tenant, name }),
      era: (epoch) => this.#eraOf(epoch),
      announced: () => this.#announced,
      departed: (group, gone) => {
        const known = this.#departed.get(group) ?? new Set();
        for (const member of gone) known.add(member);
        this.#departed.set(group, known);
      },
      emptied: () => {
        this.#groups.delete(key);
        this.#restIfIdle();
      },
    });
  }

  /** The parts that belong to an epoch, for a group that is opened in it. */
  #eraOf(epoch: string): Era {
    if (this.#era !== undefined && this.#era.epoch !== epoch) this.#endEra({ code: 'lost', detail: 'another history has begun' });
    if (this.#era === undefined) {
      const hot = new HotJournal(this.#options.redis, epoch);
      const reader = new PartitionReader(hot, this.#options.store);
      this.#era = { epoch, reader, redis: new GroupRedis(this.#options.redis, epoch), tails: new Tails(reader) };
      this.#era.tails.announced(this.#announced);
    }
    return this.#era;
  }

  /** Members connect again and begin in the new history. A group that is not open yet has nothing of the old one. */
  #endEra(failure: Failure): void {
    const groups = [...this.#groups.values()].filter(({ id }) => id !== undefined);
    this.#era?.tails.close();
    this.#era = undefined;
    this.#announced = 0;
    for (const group of groups) group.lose(failure);
    // What they were listed in goes with its epoch.
    this.#departed.clear();
  }

  #restIfIdle(): void {
    if (this.#groups.size > 0 || this.#departed.size > 0) return;
    clearInterval(this.#ticker);
    this.#ticker = undefined;
  }

  /** Takes members off the lists that Redis could not be told of when they went. */
  async #farewell(era: Era): Promise<void> {
    for (const [group, members] of [...this.#departed]) {
      this.#departed.delete(group);
      try {
        await era.redis.leave(group, [...members]);
      } catch {
        const later = this.#departed.get(group) ?? new Set();
        for (const member of members) later.add(member);
        this.#departed.set(group, later);
        return;
      }
    }
    this.#restIfIdle();
  }

  #tick(): void {
    const now = this.#now();
    const era = this.#era;
    if (era !== undefined && this.#beating === undefined && now - this.#beatAt >= this.#times.beatMs) {
      this.#beatAt = now;
      this.#beating = era.redis
        .beat(this.#options.edge, this.#times.aliveMs)
        .then(() => (this.#departed.size > 0 ? this.#farewell(era) : undefined))
        .catch(() => {
          this.stats.redisFailures += 1;
        })
        .finally(() => {
          this.#beating = undefined;
        });
    }
    for (const group of [...this.#groups.values()]) group.tick(now);
    if (era !== undefined && this.#committing === undefined && now - this.#commitAt >= this.#times.commitMs) {
      this.#commitAt = now;
      this.#committing = this.#commit(era, now).finally(() => {
        this.#committing = undefined;
      });
    }
  }

  /** One statement for all groups of this edge. */
  async #commit(era: Era, now: number): Promise<void> {
    const byId = new Map<number, Group>();
    const positions: Position[] = [];
    for (const group of this.#groups.values()) {
      if (group.id === undefined) continue;
      byId.set(group.id, group);
      positions.push(...group.uncommitted());
    }
    const touch = now - this.#touchAt >= this.#times.touchMs;
    if (positions.length === 0 && !touch) return;
    const touched = touch ? [...byId.keys()] : [];
    if (touched.length === 0 && positions.length === 0) return;
    const outcome = await this.#options.store.commit(era.epoch, positions, touched);
    if (this.#closed || this.#era !== era) return;
    if (!outcome.ok) {
      this.stats.commitFailures += 1;
      if (outcome.failure.code === 'lost') this.#endEra(outcome.failure);
      return;
    }
    if (touch) this.#touchAt = now;
    for (const position of positions) byId.get(position.group)?.committed(position);
    const gone = new Set(outcome.value.gone);
    for (const id of gone) byId.get(id)?.lose({ code: 'lost', detail: 'the group has expired, or was too far behind' });
    for (const { group, partition } of outcome.value.fenced) if (!gone.has(group)) byId.get(group)?.fenced(partition);
  }
}
