/** The publisher of a replica of graph-store: the real machine, on models of NATS, Redis and PostgreSQL. */
import { graphChanged, graphCommitted, graphHead } from '@polyedge/contracts/bus/feed';
import { done, failed, type Outcome } from '@polyedge/contracts/errors';
import { keysOf } from '@polyedge/contracts/interest';
import type { Bus } from '@polyedge/service-kit/bus';
import type { NatsModelBus } from '@polyedge/simulation/nats-model-bus';
import { SLOTS } from '../../services/graph-store/src/core/slot.ts';
import { PublisherMachine } from '../../services/graph-store/src/publisher/machine.ts';
import type {
  PublisherCall,
  PublisherEffect,
  PublisherInput,
  PublisherReplies,
} from '../../services/graph-store/src/publisher/messages.ts';
import type { Recent, RecentChanges } from '../../services/graph-store/src/publisher/recent.ts';
import { LEASE_TTL_MS } from '../../services/graph-store/src/publisher/settings.ts';
import { askHotJournal } from '../../services/graph-store/test/hot-journal-calls.ts';
import type { Process } from './process.ts';
import { PARTITIONS } from './settings.ts';
import type { Surroundings } from './surroundings.ts';

/** The connection of each call of the publisher: calls on one connection take effect in order. */
const CONNECTIONS: Partial<Record<PublisherCall['call'], string>> = {
  ...{ take: 'lease', renew: 'lease', release: 'lease', settle: 'settle', newest: 'journal', changes: 'journal', partition: 'journal' },
};

export interface StorePublisherOptions {
  readonly world: Surroundings;
  /** Of the replica. */
  readonly process: Process;
  readonly bus: NatsModelBus;
  /** The same, for messages of its journal. */
  readonly journalBus: Bus;
  readonly recent: RecentChanges;
}

export class StorePublisher {
  readonly #world: Surroundings;
  readonly #process: Process;
  readonly #bus: NatsModelBus;
  readonly #journalBus: Bus;
  readonly #machine: PublisherMachine;
  readonly #freeAt = new Map<string, number>();
  #cancelWake: () => void = () => {};

  constructor({ world, process, bus, journalBus, recent }: StorePublisherOptions) {
    this.#world = world;
    this.#process = process;
    this.#bus = bus;
    this.#journalBus = journalBus;
    this.#machine = new PublisherMachine(recent, PARTITIONS, true);
  }

  handle(input: PublisherInput): void {
    for (const effect of this.#machine.handle(input, this.#process.now())) this.#perform(effect);
  }

  #perform(effect: PublisherEffect): void {
    switch (effect.do) {
      case 'call':
        this.#call(effect.id, effect.call);
        break;
      case 'publish':
        this.#send(effect);
        break;
      case 'notify':
        this.#journalBus.publish(graphCommitted, {}, { seq: effect.seq });
        break;
      case 'wake':
        this.#cancelWake();
        this.#cancelWake = this.#process.after(effect.ms, () => this.handle({ kind: 'woken' }));
        break;
      case 'note':
        this.#world.note(`${this.#process.name}: ${effect.sentence}`);
        break;
      case 'stopped':
        break;
    }
  }

  #send({ epoch, fence, from, to, changes }: Extract<PublisherEffect, { do: 'publish' }>): void {
    const { judge } = this.#world;
    judge.published(
      this.#process.name,
      epoch,
      fence,
      changes.map(({ change }) => change),
    );
    const keys = changes.map((recent) => this.#sendChange(recent));
    this.#journalBus.publish(graphHead, {}, { epoch, fence, from, to, keys });
  }

  #sendChange(recent: Recent): number[] {
    const { change } = recent;
    for (const owner of change.owners)
      this.#bus.publishText(graphChanged.subject({ tenant: change.tenant, type: change.type, owner }), recent.json ?? recent.reference);
    return keysOf(change);
  }

  /** A call is sent now, takes effect later, and is answered later still. Some answers are lost. */
  #call(id: number, call: PublisherCall): void {
    const { chance, time, lostAnswers } = this.#world;
    const answer = (outcome: Outcome<unknown>, ms = 1 + chance.below(5)): void =>
      void this.#process.after(ms, () => this.handle({ kind: 'reply', id, outcome }));
    if (call.call === 'flush') {
      void this.#bus.flush(2000).then((flushed) => this.handle({ kind: 'reply', id, outcome: flushed.ok ? done(undefined) : flushed }));
      return;
    }
    const connection = CONNECTIONS[call.call] ?? 'redis';
    const at = Math.max(this.#freeAt.get(connection) ?? 0, time.now + 1 + chance.below(4));
    this.#freeAt.set(connection, at);
    const isLost = chance.percent(lostAnswers);
    const takesEffect = !isLost || chance.percent(50);
    time.after(at - time.now, () => {
      const isAway = connection === 'redis' ? this.#world.redis.isAway : this.#world.databaseAwayUntil > time.now;
      if (isAway) answer(failed('unavailable'), 100 + chance.below(300));
      else {
        const outcome = takesEffect ? this.#outcomeOf(call) : failed('unavailable');
        answer(isLost ? failed('unavailable') : outcome);
      }
    });
  }

  #outcomeOf(call: Exclude<PublisherCall, { call: 'flush' }>): Outcome<unknown> {
    try {
      return done(this.#carryOut(call));
    } catch (error) {
      // Redis refuses entries that would break a log's order.
      return failed('unavailable', String(error));
    }
  }

  #carryOut(call: Exclude<PublisherCall, { call: 'flush' }>): PublisherReplies[PublisherCall['call']] {
    const { database, redis, time, bug } = this.#world;
    const { name } = this.#process;
    switch (call.call) {
      case 'take':
        return database.take(name, call.above, LEASE_TTL_MS, time.now);
      case 'renew':
        return database.renew(name, call.fence, call.publishedSeq, time.now + LEASE_TTL_MS);
      case 'release':
        database.renew(name, call.fence, call.publishedSeq, -1);
        return undefined;
      case 'settle': {
        if (bug === 'epoch-unnoticed') return { epoch: database.epoch, comparedWithRedis: !redis.isAway };
        const { epoch, changed } = database.settle();
        if (changed) this.#world.note(`a new epoch begins: ${epoch}`);
        if (changed) this.#world.judge.newEpoch();
        return { epoch, comparedWithRedis: !redis.isAway };
      }
      case 'newest':
        return database.seq;
      case 'oldest':
        return 1;
      case 'changes':
        return database.after(call.after, call.limit);
      case 'partition': {
        const slots = Array.from({ length: SLOTS }, (_, slot) => slot).filter((slot) => slot % PARTITIONS === call.partition);
        return database.ofSlots(slots, call.after, call.upTo, call.limit);
      }
      case 'ping':
        return undefined;
      case 'drop-other-epochs':
        redis.dropOtherEpochs(call.epoch);
        return undefined;
      default:
        return askHotJournal(redis.hot(call.epoch), call);
    }
  }
}
