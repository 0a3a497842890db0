/** Drives the groups machine of a simulated edge: its calls go to the model of Redis and over the bus, and the judge hears what is given and taken. */

import { done, failed, type Outcome } from '@polyedge/contracts/errors';
import type { ConsumerGroups, MemberHandler } from '@polyedge/edge-kit/driver/consumer-groups';
import { GroupsMachine } from '@polyedge/journal/groups/machine';
import type { GroupCall, GroupsEffect, GroupsInput } from '@polyedge/journal/groups/messages';
import { GROUP_TIMES } from '@polyedge/journal/groups/settings';
import { signalsOver, storeOver } from '@polyedge/journal/groups-over-bus';
import { PartitionReader } from '@polyedge/journal/partition-reader';
import type { NatsModelBus } from '@polyedge/simulation/nats-model-bus';
import type { Process } from './process.ts';
import type { Surroundings } from './surroundings.ts';

export class GroupsDriver implements ConsumerGroups {
  readonly #world: Surroundings;
  readonly #process: Process;
  readonly #machine: GroupsMachine;
  readonly #store: ReturnType<typeof storeOver>;
  readonly #signals: ReturnType<typeof signalsOver>;
  readonly #members = new Map<string, { readonly group: string; readonly handler: MemberHandler }>();
  readonly #listening = new Map<string, () => void>();
  readonly #readers = new Map<string, PartitionReader>();
  #count = 0;
  #cancelWake: () => void = () => {};
  /** This edge cannot reach Redis until then. */
  redisAwayUntil = 0;

  constructor(world: Surroundings, process: Process, bus: NatsModelBus) {
    this.#world = world;
    this.#process = process;
    this.#machine = new GroupsMachine({ edge: process.name, offsetMode: 'kafka', times: GROUP_TIMES });
    this.#store = storeOver(bus);
    this.#signals = signalsOver(bus, process.name);
    process.every(GROUP_TIMES.tickMs, () => {
      if (!this.#machine.isIdle) this.#handle({ kind: 'tick' });
    });
  }

  join(
    { tenant, name, start }: { readonly tenant: string; readonly name: string; readonly start: 'largest' | 'smallest' },
    handler: MemberHandler,
  ): { leave(): void } {
    this.#count += 1;
    const member = `${this.#process.name}.${this.#count}`;
    this.#members.set(member, { group: name, handler });
    this.#handle({ kind: 'join', member, tenant, name, start });
    return {
      leave: () => {
        if (this.#members.delete(member)) this.#handle({ kind: 'leave', member });
      },
    };
  }

  announced(epoch: string, seq: number): void {
    this.#handle({ kind: 'announced', epoch, seq });
  }

  /** Redis is there again. */
  reconnected(): void {
    this.#handle({ kind: 'reconnected' });
  }

  #handle(input: GroupsInput): void {
    for (const effect of this.#machine.handle(input, this.#process.now())) this.#perform(effect);
  }

  #perform(effect: GroupsEffect): void {
    switch (effect.do) {
      case 'call': {
        const { ask, call } = effect;
        void this.#call(call).then((outcome) => this.#process.run(() => this.#handle({ kind: 'answer', ask, outcome })));
        break;
      }
      case 'give':
        this.#give(effect);
        break;
      case 'lost': {
        const member = this.#members.get(effect.member);
        this.#members.delete(effect.member);
        member?.handler.lost(effect.failure);
        break;
      }
      case 'listen': {
        const { group, tenant, name } = effect;
        this.#listening.set(
          group,
          this.#signals.subscribe(tenant, name, () => this.#handle({ kind: 'moved', group })),
        );
        break;
      }
      case 'unlisten':
        this.#listening.get(effect.group)?.();
        this.#listening.delete(effect.group);
        break;
      case 'notify':
        this.#signals.publish(effect.tenant, effect.name);
        break;
      case 'note':
        this.#world.note(`${this.#process.name}: ${effect.sentence}`);
        break;
      case 'wake':
        this.#cancelWake();
        this.#cancelWake = this.#process.after(effect.ms, () => this.#handle({ kind: 'woken' }));
        break;
      case 'cancel-wake':
        this.#cancelWake();
        break;
    }
  }

  #give({ member, batch, changes }: Extract<GroupsEffect, { do: 'give' }>): void {
    const known = this.#members.get(member);
    if (known === undefined) return;
    const { judge, bug } = this.#world;
    const { group, handler } = known;
    let confirmed = false;
    const ack = (): void => {
      const pending = this.#pending(group, member, changes[0]?.seq ?? 0);
      this.#handle({ kind: 'ack', member, batch, confirmed });
      // A confirmation that lessens what is pending is one that moves the position.
      judge.confirmed(group, member, changes, this.#pending(group, member, changes[0]?.seq ?? 0) < pending);
    };
    judge.given(group, changes);
    handler.batch(changes, bug === 'position-moved-on-write' ? () => {} : ack);
    confirmed = true;
    if (bug === 'position-moved-on-write') ack();
  }

  /** What a member was given of the partition of a change, and has not confirmed. */
  #pending(group: string, member: string, seq: number): number {
    const view = this.#machine.views().find(({ name }) => name === group);
    const partition = this.#world.judge.partitionOf(seq);
    return view?.partitions.find((one) => one.partition === partition && one.owner === member)?.pending ?? 0;
  }

  // ---- calls

  #wait(ms: number): Promise<void> {
    const { time } = this.#world;
    return new Promise((resolve) => {
      time.after(ms, () => {
        resolve();
      });
    });
  }

  get #cannotReachRedis(): boolean {
    return this.#world.redis.isAway || this.redisAwayUntil > this.#world.time.now;
  }

  async #call(call: GroupCall): Promise<Outcome<unknown>> {
    const { chance } = this.#world;
    switch (call.call) {
      case 'open':
        return await this.#store.open(call.tenant, call.name, call.start, call.skip);
      case 'claim':
        return await this.#store.claim(call.epoch, call.group, call.claims);
      case 'commit':
        return await this.#store.commit(call.epoch, call.positions, call.touched);
      case 'position':
        return await this.#store.position();
      default: {
        await this.#wait(0.5 + chance.below(4));
        if (this.#cannotReachRedis) {
          await this.#wait(50 + chance.below(400));
          return failed('unavailable', 'Redis does not answer');
        }
        const isLost = chance.percent(this.#world.lostAnswers / 2);
        const outcome = await this.#askRedis(call);
        await this.#wait(isLost ? 500 + chance.below(2000) : 0.5 + chance.below(4));
        return isLost ? failed('unavailable', 'Redis does not answer') : outcome;
      }
    }
  }

  async #askRedis(call: Exclude<GroupCall, { call: 'open' | 'claim' | 'commit' | 'position' }>): Promise<Outcome<unknown>> {
    const redis = this.#world.redis.groups(call.epoch);
    const { termMs, aliveMs } = GROUP_TIMES;
    const edge = this.#process.name;
    switch (call.call) {
      case 'list':
        redis.beat(edge, aliveMs);
        return done(redis.join(call.group, edge, call.members));
      case 'unlist':
        redis.leave(call.group, call.members);
        return done(undefined);
      case 'beat':
        redis.beat(edge, aliveMs);
        return done(undefined);
      case 'members':
        return done(redis.members(call.group));
      case 'alive':
        return done(redis.alive(call.edges));
      case 'take':
        return done(redis.take(call.group, call.owner, termMs, call.freeForMs, call.wanted));
      case 'hold':
        return done(redis.hold(call.group, call.what, call.what === 'renew' ? termMs : 0, call.held));
      case 'read':
        return await this.#reader(call.epoch).read(call.partition, call.after, call.limit);
      case 'end':
        return done(await this.#reader(call.epoch).end(call.partition));
    }
  }

  #reader(epoch: string): PartitionReader {
    const known = this.#readers.get(epoch);
    if (known !== undefined) return known;
    const { redis } = this.#world;
    const reach = (): void => {
      if (this.#cannotReachRedis) throw new Error('Redis cannot be reached');
    };
    const reader = new PartitionReader(
      {
        epoch,
        read: async (partition, generation, after, limit) => {
          reach();
          return redis.hot(epoch).read(partition, generation, after, limit);
        },
        state: async (partition) => {
          reach();
          return redis.hot(epoch).state(partition);
        },
      },
      this.#store,
    );
    this.#readers.set(epoch, reader);
    return reader;
  }
}
