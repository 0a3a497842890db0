/** Driver of the publisher machine (`machine.ts`): carries out its effects over NATS, PostgreSQL and Redis. */
import { accountsChanged } from '@polyedge/contracts/bus/accounts';
import { graphChanged, graphCommitted, graphHead } from '@polyedge/contracts/bus/feed';
import { SYSTEM_SCOPE } from '@polyedge/contracts/element';
import { done, failed, type Outcome } from '@polyedge/contracts/errors';
import { keysOf } from '@polyedge/contracts/interest';
import { dropOtherEpochs, HotJournal } from '@polyedge/journal/hot-journal';
import type { Redis } from '@polyedge/journal/redis';
import type { Bus, Subscription } from '@polyedge/service-kit/bus';
import type { Log } from '@polyedge/service-kit/log';
import { SLOTS } from '../core/slot.ts';
import type { Journal } from '../postgres/journal.ts';
import type { LeaseRow } from '../postgres/lease.ts';
import type { Traces } from '../traces.ts';
import { PublisherMachine } from './machine.ts';
import type { PublisherCall, PublisherEffect, PublisherInput, PublisherReplies } from './messages.ts';
import type { Committed, Recent, RecentChanges } from './recent.ts';
import { type AppenderStats, LEASE_TTL_MS, type PublisherStats } from './settings.ts';

const FLUSH_MS = 2000;

export interface PublisherOptions {
  readonly bus: Bus;
  readonly redis: Redis;
  /** Of the journal. */
  readonly name: string;
  readonly journal: Journal;
  readonly recent: RecentChanges;
  readonly lease: LeaseRow;
  readonly partitions: number;
  readonly log: Log;
  /** Undefined when tracing is off. */
  readonly traces: Traces | undefined;
  /** Verifies that the journal's history is unchanged, or starts a new epoch. */
  readonly settle: () => Promise<PublisherReplies['settle']>;
}

type PublisherReply = PublisherReplies[PublisherCall['call']];

export class Publisher {
  readonly #options: PublisherOptions;
  readonly #machine: PublisherMachine;
  readonly #stopped = Promise.withResolvers<void>();
  #hot: HotJournal | undefined;
  #subscriptions: Subscription[] = [];
  #timer: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;

  constructor(options: PublisherOptions) {
    this.#options = options;
    this.#machine = new PublisherMachine(options.recent, options.partitions, options.bus.status === 'connected');
  }

  get stats(): PublisherStats {
    return this.#machine.stats;
  }

  get appenderStats(): AppenderStats {
    return this.#machine.appenderStats;
  }

  start(): void {
    const { bus } = this.#options;
    this.#subscriptions = [
      bus.onStatus((status) => this.#handle({ kind: status })),
      bus.subscribe(graphCommitted, graphCommitted.pattern({}), ({ seq }) => this.#handle({ kind: 'notified', seq })),
    ];
    this.#handle({ kind: bus.status });
  }

  /** A batch of this replica was committed. */
  committed(changes: readonly Committed[]): void {
    this.#handle({ kind: 'committed', changes });
  }

  /** A connection to the database was lost. */
  databaseLost(): void {
    this.#handle({ kind: 'database-lost' });
  }

  async stop(): Promise<void> {
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
    this.#handle({ kind: 'stop' });
    await this.#stopped.promise;
  }

  #handle(input: PublisherInput): void {
    for (const effect of this.#machine.handle(input, performance.now())) this.#perform(effect);
  }

  #perform(effect: PublisherEffect): void {
    const { bus, log } = this.#options;
    switch (effect.do) {
      case 'call': {
        const { id, call } = effect;
        void this.#answer(call).then((outcome) => this.#handle({ kind: 'reply', id, outcome }));
        break;
      }
      case 'publish':
        this.#publish(effect);
        break;
      case 'notify':
        bus.publish(graphCommitted, {}, { seq: effect.seq });
        break;
      case 'wake':
        this.#wake(effect.ms);
        break;
      case 'note':
        log[effect.level](effect.sentence);
        break;
      case 'stopped':
        clearTimeout(this.#timer);
        clearImmediate(this.#immediate);
        this.#stopped.resolve();
        break;
    }
  }

  #wake(ms: number): void {
    clearTimeout(this.#timer);
    clearImmediate(this.#immediate);
    const woken = (): void => this.#handle({ kind: 'woken' });
    if (ms === 0) this.#immediate = setImmediate(woken);
    else this.#timer = setTimeout(woken, ms);
  }

  /** The bus sends what is published in one turn in one write, so changes and their head are sent together. */
  #publish({ epoch, fence, from, to, changes }: Extract<PublisherEffect, { do: 'publish' }>): void {
    const { bus } = this.#options;
    const newest = changes.at(-1);
    if (newest !== undefined) this.stats.lagMs = Date.now() - newest.change.on;
    const keys = changes.map((recent) => this.#publishChange(recent));
    bus.publish(graphHead, {}, { epoch, fence, from, to, keys });
  }

  /** Returns the keys of the interests that it belongs to. */
  #publishChange(recent: Recent): number[] {
    const { bus, traces } = this.#options;
    const { change } = recent;
    if (change.scope === SYSTEM_SCOPE) {
      const { tenant } = change.state.attributes;
      if (typeof tenant === 'string') bus.publish(accountsChanged, { tenant }, { id: change.id, seq: change.seq });
      return [];
    }
    const span = traces?.publish(change.operationId);
    const { json } = recent;
    if (json === undefined) this.stats.references += 1;
    const body = json ?? recent.reference;
    for (const owner of change.owners) {
      const subject = graphChanged.subject({ tenant: change.tenant, type: change.type, owner });
      // A message that NATS would reject is not sent: the head lists its seq, so subscribers fetch it.
      if (!bus.publishText(subject, body, span?.traceparent)) this.stats.refused += 1;
    }
    span?.end('ok');
    return keysOf(change);
  }

  // ---- calls

  async #answer(call: PublisherCall): Promise<Outcome<PublisherReply>> {
    try {
      if (call.call === 'flush') {
        const flushed = await this.#options.bus.flush(FLUSH_MS);
        return flushed.ok ? done(undefined) : flushed;
      }
      return done(await this.#call(call));
    } catch (error) {
      return failed('unavailable', error instanceof Error ? error.message : String(error));
    }
  }

  async #call(call: Exclude<PublisherCall, { call: 'flush' }>): Promise<PublisherReply> {
    const { lease, journal, redis, partitions } = this.#options;
    switch (call.call) {
      case 'take':
        return await lease.take(call.above, LEASE_TTL_MS);
      case 'renew':
        return await lease.renew(call.fence, call.publishedSeq, LEASE_TTL_MS);
      case 'release':
        return void (await lease.release(call.fence, call.publishedSeq));
      case 'settle':
        return await this.#options.settle();
      case 'newest':
        return await journal.newest();
      case 'oldest':
        return (await journal.position()).oldest;
      case 'changes':
        return await journal.after(call.after, call.limit);
      case 'partition': {
        const slots = Array.from({ length: SLOTS }, (_, slot) => slot).filter((slot) => slot % partitions === call.partition);
        return await journal.ofSlots(slots, call.after, call.upTo, call.limit);
      }
      case 'ping':
        return void (await redis.ping());
      case 'drop-other-epochs':
        return void (await dropOtherEpochs(redis, call.epoch, this.#options.name));
      default:
        return await callRedis(call, this.#hotOf(call.epoch));
    }
  }

  #hotOf(epoch: string): HotJournal {
    if (this.#hot?.epoch !== epoch) this.#hot = new HotJournal(this.#options.redis, epoch, this.#options.name);
    return this.#hot;
  }
}

async function callRedis(
  call: Extract<PublisherCall, { call: 'claim' | 'states' | 'append' | 'clear' | 'fill' | 'switch' }>,
  hot: HotJournal,
): Promise<PublisherReply> {
  switch (call.call) {
    case 'claim':
      return await hot.claim(call.partition, call.fence);
    case 'states':
      return await hot.states(call.partitions);
    case 'append': {
      const { fence, head, trimBelow } = call;
      return await hot.append(
        fence,
        head,
        trimBelow,
        call.runs.map(({ changes, ...run }) => ({ ...run, changes: changes.map(entryOf) })),
      );
    }
    case 'clear':
      return await hot.clear(call.partition, call.fence, call.generation);
    case 'fill':
      return await hot.fill(call.partition, call.fence, call.generation, call.after, call.changes.map(entryOf));
    case 'switch':
      return await hot.switchTo(call.partition, call.fence, call.state, call.since);
  }
}

/** A change that is too large has no body in Redis: readers fetch it from the journal. */
const entryOf = (recent: Recent): { readonly seq: number; readonly json: string } => ({ seq: recent.change.seq, json: recent.json ?? '' });
