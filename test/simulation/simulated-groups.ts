/** Consumer groups of a simulated edge: the real machine over the model of Redis. The judge is told of deliveries and confirmations. */
import type { FullChange } from '@polyedge/contracts/change';
import type { ConsumerGroups, MemberHandler } from '@polyedge/edge-kit/driver/consumer-groups';
import type { GroupHistories, GroupHistory } from '@polyedge/journal/group-history';
import { Groups } from '@polyedge/journal/groups/groups';
import { signalsOver, storeOver } from '@polyedge/journal/groups-over-bus';
import { PartitionReader } from '@polyedge/journal/partition-reader';
import type { Bus } from '@polyedge/service-kit/bus';
import type { RedisGroupsModel } from '@polyedge/simulation/redis-groups-model';
import type { Process } from './process.ts';
import type { Surroundings } from './surroundings.ts';

/** Shared: collecting a stack trace for each would take longer than all the rest. */
const NO_ANSWER = new Error('Redis does not answer');

export class SimulatedGroups implements ConsumerGroups {
  readonly #world: Surroundings;
  readonly #process: Process;
  readonly #groups: Groups;
  readonly #store: ReturnType<typeof storeOver>;
  #heardOfRedis: () => void = () => {};
  /** When the last command arrives at Redis: one connection keeps the order. */
  #thereAt = 0;
  /** This edge cannot reach Redis until this time. */
  #redisAwayUntil = 0;

  /**
   * @param world with the servers of the groups' journal
   * @param bus of that journal
   */
  constructor(world: Surroundings, process: Process, bus: Bus) {
    this.#world = world;
    this.#process = process;
    this.#store = storeOver(bus);
    const histories: GroupHistories = {
      of: (epoch) => this.#history(epoch),
      onReconnected: (listener) => {
        this.#heardOfRedis = listener;
        return () => {};
      },
    };
    this.#groups = new Groups({
      ...{ edge: process.name, histories, store: this.#store, signals: signalsOver(bus, process.name) },
      surroundings: { now: process.now, after: (ms, work) => process.after(ms, work), every: (ms, work) => process.every(ms, work) },
      onNote: (sentence) => world.note(`${process.name}: ${sentence}`),
    });
  }

  join(
    group: { readonly tenant: string; readonly name: string; readonly start: 'largest' | 'smallest' },
    handler: MemberHandler,
  ): { leave(): void } {
    return this.#groups.join(group, {
      client: () => handler.client(),
      lost: (failure) => handler.lost(failure),
      batch: (changes, ack, shared) => this.#batch(group.name, handler, changes, ack, shared),
    });
  }

  announced(epoch: string, seq: number): void {
    this.#groups.announced(epoch, seq);
  }

  /** Tenants have moved to another journal. */
  moved(tenants: ReadonlySet<string>): void {
    this.#groups.moved(tenants);
  }

  /** Redis is available again. */
  reconnected(): void {
    this.#heardOfRedis();
  }

  /** This edge cannot reach Redis for this long. */
  losesRedis(ms: number): void {
    this.#redisAwayUntil = Math.max(this.#redisAwayUntil, this.#world.time.now + ms);
    this.#process.after(ms, () => this.reconnected());
  }

  /** It can reach Redis from now on. */
  reach(): void {
    this.#redisAwayUntil = 0;
  }

  #batch(group: string, handler: MemberHandler, changes: readonly FullChange[], ack: () => void, shared: boolean): void {
    const { judge, bug } = this.#world;
    // A change that is confirmed within the delivery was shown to nobody. It may be repeated until everything before it is confirmed.
    let isWithin = true;
    const confirm = (): void => {
      const pending = this.#pending(group, changes[0]?.seq ?? 0);
      ack();
      // A confirmation that reduces what is pending moves the position.
      const moves = !isWithin && this.#pending(group, changes[0]?.seq ?? 0) < pending;
      judge.confirmed(group, this.#process.name, changes, moves);
    };
    judge.given(group, changes);
    if (bug === 'position-moved-on-write') {
      handler.batch(changes, () => {}, shared);
      // Not within the delivery: a change that is confirmed at once was not shown to anybody.
      queueMicrotask(confirm);
    } else handler.batch(changes, confirm, shared);
    isWithin = false;
  }

  /** The number of unconfirmed deliveries here in a change's partition. */
  #pending(group: string, seq: number): number {
    const partition = this.#world.judge.partitionOf(seq);
    const view = this.#groups.views().find(({ name }) => name === group);
    return view?.partitions.find((one) => one.partition === partition)?.pending ?? 0;
  }

  // ---- Redis

  #history(epoch: string): GroupHistory {
    const { redis } = this.#world;
    const groups = (): RedisGroupsModel => redis.groups(epoch);
    const ask = <Answer>(answer: () => Answer): Promise<Answer> => this.#ask(answer);
    const hot = {
      epoch,
      read: (...[partition, generation, after, limit]: Parameters<ReturnType<typeof redis.hot>['read']>) =>
        ask(() => redis.hot(epoch).read(partition, generation, after, limit)),
      state: (partition: number) => ask(() => redis.hot(epoch).state(partition)),
    };
    return {
      reader: new PartitionReader(hot, this.#store),
      redis: {
        beat: (edge, forMs) => ask(() => groups().beat(edge, forMs)),
        join: (group, edge, members) => ask(() => groups().join(group, edge, members)),
        leave: (group, members) => ask(() => groups().leave(group, members)),
        members: (group) => ask(() => groups().members(group)),
        alive: (edges) => ask(() => groups().alive(edges)),
        take: (group, owner, termMs, freeForMs, wanted) => ask(() => groups().take(group, owner, termMs, freeForMs, wanted)),
        hold: (group, what, termMs, held) => ask(() => groups().hold(group, what, termMs, held)),
        leases: (group) => ask(() => groups().leases(group)),
      },
    };
  }

  /** A command arrives, takes effect, and is answered. Some answers are lost. */
  #ask<Answer>(answer: () => Answer): Promise<Answer> {
    const { chance, time, lostAnswers } = this.#world;
    this.#thereAt = Math.max(this.#thereAt, time.now + 0.5 + chance.below(4));
    return new Promise((resolve, reject) => {
      const fails = (): void => reject(NO_ANSWER);
      time.after(this.#thereAt - time.now, () => {
        if (this.#cannotReachRedis) {
          this.#process.after(50 + chance.below(400), fails);
          return;
        }
        const isLost = chance.percent(lostAnswers / 2);
        const answered = answer();
        if (isLost) this.#process.after(500 + chance.below(2000), fails);
        else this.#process.after(0.5 + chance.below(4), () => resolve(answered));
      });
    });
  }

  get #cannotReachRedis(): boolean {
    return this.#world.redis.isAway || this.#redisAwayUntil > this.#world.time.now;
  }
}
