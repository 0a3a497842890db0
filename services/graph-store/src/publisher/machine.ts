/**
 * The publisher as a pure machine: `handle(input, at) → effects`, without clock, randomness or I/O; `publisher.ts` carries out the effects.
 * One replica at a time holds the lease; it determines the epoch, publishes the journal to NATS in the order of seq (`relay.ts`) and
 * appends it to Redis (`appender.ts`). The others keep their commits in memory, notify the holder, and try to acquire the lease.
 */
import type { Failure } from '@polyedge/contracts/errors';
import { Appender } from './appender.ts';
import { PublisherLease } from './lease.ts';
import { call, type PublisherEffect, type PublisherInput, type PublisherProcedure } from './messages.ts';
import { Recent, type RecentChanges } from './recent.ts';
import { Relay } from './relay.ts';
import { type AppenderStats, GIVEN_BACK_MS, INTERRUPTED_MS, type PublisherStats, RENEW_MS } from './settings.ts';
import { PublisherState, type Term } from './term.ts';

export class PublisherMachine {
  readonly #state: PublisherState;
  readonly #lease: PublisherLease;
  readonly #relay: Relay;
  readonly #appender: Appender;
  #isConnected: boolean;
  #term: Term | undefined;
  /** The lease is being acquired or released. */
  #isChanging = false;
  #takeAt = Number.NEGATIVE_INFINITY;
  /** Infinite while a renewal is in progress. */
  #renewAt = Number.POSITIVE_INFINITY;
  #wakeAt = Number.POSITIVE_INFINITY;
  #isStopping = false;
  #isStopped = false;

  /**
   * @param recent filled by commits and reads; other parts may read it
   * @param isConnected to NATS
   */
  constructor(recent: RecentChanges, partitions: number, isConnected: boolean) {
    this.#state = new PublisherState(recent);
    this.#lease = new PublisherLease(this.#state);
    this.#relay = new Relay(this.#state);
    this.#appender = new Appender(this.#state, partitions);
    this.#isConnected = isConnected;
  }

  /** @param at milliseconds from an arbitrary origin, never decreasing */
  handle(input: PublisherInput, at: number): readonly PublisherEffect[] {
    const { effects } = this.#state;
    this.#state.at = at;
    this.#take(input);
    this.#pump();
    // Publishing precedes any work for Redis.
    if (input.kind !== 'committed' && input.kind !== 'notified') this.#appender.pump();
    this.#arm();
    return effects.splice(0);
  }

  get stats(): PublisherStats {
    return this.#state.stats;
  }

  get appenderStats(): AppenderStats {
    return this.#state.appenderStats;
  }

  #take(input: PublisherInput): void {
    const state = this.#state;
    switch (input.kind) {
      case 'reply':
        state.procedures.resume(input.id, input.outcome);
        break;
      case 'committed': {
        const last = input.changes.at(-1)?.change;
        if (last === undefined) break;
        state.recent.enter(last.epoch);
        state.recent.add(input.changes.map(({ change, attributesJson }) => new Recent(change, attributesJson)));
        this.#learn(last.seq);
        // Another replica publishes: notify it at once.
        if (!this.#lease.held) state.effects.push({ do: 'notify', seq: last.seq });
        break;
      }
      case 'notified':
        this.#learn(input.seq);
        break;
      case 'connected':
        this.#isConnected = true;
        break;
      case 'disconnected':
        this.#isConnected = false;
        break;
      case 'database-lost':
        state.unsettled = true;
        break;
      case 'woken':
        this.#wakeAt = Number.POSITIVE_INFINITY;
        break;
      case 'stop':
        this.#isStopping = true;
        break;
    }
  }

  #learn(seq: number): void {
    if (seq > this.#state.known) this.#state.known = seq;
    this.#relay.notified();
  }

  /** Does everything that is possible now. */
  #pump(): void {
    const state = this.#state;
    if (this.#isChanging || this.#isStopped) return;
    if (state.failure !== undefined) this.#interrupted(state.failure);
    else if (this.#isStopping) this.#change(this.#finish());
    else if (this.#term === undefined) {
      if (this.#isConnected && state.at >= this.#takeAt) this.#change(this.#begin());
    } else if (state.unsettled || !this.#lease.held) this.#change(this.#release(0));
    else {
      this.#relay.pump();
      if (state.at >= this.#renewAt) state.procedures.start(this.#renew(), this.#term);
    }
  }

  /** Requests to be woken at the earliest deadline. */
  #arm(): void {
    const { at, effects } = this.#state;
    const next = Math.max(at, this.#deadline);
    if (next >= this.#wakeAt) return;
    this.#wakeAt = next;
    effects.push({ do: 'wake', ms: next - at });
  }

  get #deadline(): number {
    if (this.#isChanging || this.#isStopped) return Number.POSITIVE_INFINITY;
    if (this.#term === undefined) return this.#isConnected ? this.#takeAt : Number.POSITIVE_INFINITY;
    return Math.min(this.#renewAt, this.#lease.actUntil, this.#relay.deadline, this.#appender.deadline);
  }

  /** Starts or ends a term; work of the previous one ends. */
  #change(procedure: PublisherProcedure): void {
    this.#end();
    this.#isChanging = true;
    this.#state.procedures.start(procedure);
  }

  #end(): void {
    if (this.#term !== undefined) this.#state.procedures.cancel(this.#term);
    this.#term = undefined;
    this.#state.failure = undefined;
    this.#state.stats.publishing = false;
    this.#relay.end();
    this.#appender.end();
  }

  /** Acquires the lease and determines the epoch, before anything is published. */
  *#begin(): PublisherProcedure {
    const failure = yield* this.#open();
    this.#isChanging = false;
    if (failure !== undefined) this.#interrupted(failure);
  }

  *#open(): PublisherProcedure<Failure | undefined> {
    const state = this.#state;
    const taken = yield* this.#lease.take();
    if (!taken.ok) return taken.failure;
    if (taken.value === undefined) {
      this.#takeAt = state.at + RENEW_MS;
      return undefined;
    }
    const { fence } = this.#lease;
    state.unsettled = false;
    const settled = yield* call({ call: 'settle' });
    if (!settled.ok) return settled.failure;
    const { epoch, comparedWithRedis } = settled.value;
    state.recent.enter(epoch);
    // Earlier notifications may belong to another epoch; later ones do not.
    state.known = 0;
    const newest = yield* call({ call: 'newest' });
    if (!newest.ok) return newest.failure;
    state.known = Math.max(state.known, newest.value);
    this.#term = { fence, epoch, comparedWithRedis };
    state.stats.taken += 1;
    state.stats.publishing = true;
    this.#renewAt = state.at + RENEW_MS;
    this.#relay.begin(this.#term, taken.value.publishedSeq);
    this.#appender.begin(this.#term);
    state.note('info', `publishes the journal from seq ${this.#relay.cursor + 1} in epoch ${epoch} under fence ${fence}`);
    return undefined;
  }

  /** A call failed that the term depends on: starts over and determines the epoch again. */
  #interrupted({ code, detail }: Failure): void {
    this.#end();
    this.#state.note('warn', `publishing was interrupted: ${detail ?? code}`);
    this.#takeAt = this.#state.at + INTERRUPTED_MS;
  }

  *#renew(): PublisherProcedure {
    this.#renewAt = Number.POSITIVE_INFINITY;
    const began = this.#state.at;
    const { cursor } = this.#relay;
    const flushed = yield* call({ call: 'flush' });
    if (!flushed.ok) {
      this.#state.note('warn', 'NATS did not answer: the publisher releases its lease');
      this.#change(this.#release(GIVEN_BACK_MS));
      return;
    }
    this.#relay.reached(cursor);
    if (yield* this.#lease.renew(cursor)) this.#renewAt = began + RENEW_MS;
    else this.#change(this.#release(0));
  }

  /** @param restMs how long other replicas may acquire the lease first */
  *#release(restMs: number): PublisherProcedure {
    const released = yield* this.#lease.release(this.#relay.flushed);
    this.#isChanging = false;
    this.#takeAt = this.#state.at + restMs;
    if (!released.ok) this.#interrupted(released.failure);
  }

  *#finish(): PublisherProcedure {
    const { cursor } = this.#relay;
    if ((yield* call({ call: 'flush' })).ok) this.#relay.reached(cursor);
    yield* this.#lease.release(this.#relay.flushed);
    this.#isStopped = true;
    this.#state.effects.push({ do: 'stopped' });
  }
}
