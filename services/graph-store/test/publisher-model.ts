/**
 * A lease, a journal, a NATS server and a Redis for the publisher machine, with virtual time: replicas commit, are killed or stopped, answers are
 * late, fail, or fail after they took effect, and Redis is wiped. What must never happen is looked at with every step.
 */
import assert from 'node:assert/strict';
import type { FullChange } from '@polyedge/contracts/change';
import { done, failed, type Outcome } from '@polyedge/contracts/errors';
import { HotJournalModel } from '@polyedge/simulation/hot-journal-model';
import { partitionOf, slotOf } from '../src/core/slot.ts';
import { PublisherMachine } from '../src/publisher/machine.ts';
import type { PublisherCall, PublisherEffect, PublisherInput, PublisherReplies } from '../src/publisher/messages.ts';
import { RecentChanges } from '../src/publisher/recent.ts';
import { LEASE_TTL_MS } from '../src/publisher/settings.ts';
import { askHotJournal } from './hot-journal-calls.ts';

export const EPOCH = 'e1';

/** A change as far as the publisher looks at it. */
export const changeOf = (seq: number, id = `x${seq % 8}`, scope = 's'): FullChange =>
  ({
    seq,
    id,
    scope,
    epoch: EPOCH,
    owners: ['o'],
    operationId: `o${seq}`,
    state: { attributes: { seq } },
    undo: { set: {} },
  }) as unknown as FullChange;

export const committed = (...seqs: readonly number[]) => ({
  kind: 'committed' as const,
  changes: seqs.map((seq) => ({ change: changeOf(seq), attributesJson: JSON.stringify({ seq }) })),
});

type Random = () => number;

/** Numbers from a seed, 0 ≤ x < 1 (mulberry32). */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A process with a publisher machine. */
class Replica {
  readonly holder: string;
  readonly machine: PublisherMachine;
  /** It stands still until then. */
  frozenUntil = 0;
  isKilled = false;
  hasStopped = false;
  /** The newest timer; those before are replaced. */
  timer = 0;
  /** When each of its connections is free: what was sent first takes effect first. */
  readonly free = new Map<string, number>();

  constructor(holder: string, partitions: number) {
    this.holder = holder;
    this.machine = new PublisherMachine(new RecentChanges(40), partitions, true);
  }
}

export interface Faults {
  /** How often an answer fails; half of those took effect. */
  failing: number;
  /** How often an answer is late by seconds. */
  late: number;
}

const CONNECTIONS: Partial<Record<PublisherCall['call'], string>> = {
  take: 'lease',
  renew: 'lease',
  release: 'lease',
  flush: 'nats',
  settle: 'settle',
  newest: 'journal',
  changes: 'journal',
  partition: 'journal',
};

export class ModelSystem {
  readonly partitions = 4;
  readonly redis = new HotJournalModel();
  readonly replicas: Replica[] = [];
  readonly journal: FullChange[] = [];
  readonly faults: Faults = { failing: 0, late: 0 };
  /** Every change up to here was published by somebody. */
  published = 0;
  runs = 0;
  /** The row of the lease. */
  lease = { holder: '', fence: 0, until: -1, publishedSeq: 0 };
  /** Redis did not answer when the epoch was settled. */
  blind = 0;
  now = 0;
  readonly #random: Random;
  readonly #events: { at: number; run: () => void }[] = [];
  /** Seqs of the journal that belong to Redis. */
  readonly #byPartition: readonly number[][] = Array.from({ length: this.partitions }, () => []);
  readonly #tops = new Map<number, number>();
  #count = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  start(): Replica {
    this.#count += 1;
    const replica = new Replica(`r${this.#count}`, this.partitions);
    this.replicas.push(replica);
    this.#give(replica, { kind: 'connected' }, 0);
    return replica;
  }

  kill(replica: Replica): void {
    replica.isKilled = true;
    this.replicas.splice(this.replicas.indexOf(replica), 1);
  }

  stop(replica: Replica): void {
    this.#give(replica, { kind: 'stop' }, 0);
  }

  /** A batch of a replica. Whether it is told of its commit is another matter: it may be killed before. */
  commit(replica: Replica, size: number): void {
    const first = this.journal.length + 1;
    const seqs = Array.from({ length: size }, (_, at) => first + at);
    for (const seq of seqs) {
      const change = changeOf(seq, `x${Math.floor(this.#random() * 8)}`, this.#random() < 0.1 ? 'system' : 's');
      this.journal.push(change);
      if (change.scope !== 'system') this.#byPartition[partitionOf(slotOf(change.id), this.partitions)]?.push(seq);
    }
    const changes = this.journal.slice(first - 1).map((change) => ({ change, attributesJson: JSON.stringify(change.state.attributes) }));
    this.#give(replica, { kind: 'committed', changes }, this.#random() * 4);
  }

  lose(replica: Replica): void {
    this.#give(replica, { kind: 'database-lost' }, 0);
  }

  after(ms: number, run: () => void): void {
    const at = this.now + ms;
    let place = this.#events.length;
    while (place > 0 && (this.#events[place - 1]?.at ?? 0) > at) place -= 1;
    this.#events.splice(place, 0, { at, run });
  }

  run(ms: number): void {
    const until = this.now + ms;
    for (;;) {
      const [next] = this.#events;
      if (next === undefined || next.at > until) break;
      this.#events.shift();
      this.now = next.at;
      next.run();
    }
    this.now = until;
  }

  /** Everything that was committed is published and in Redis. */
  get isDone(): boolean {
    if (this.published < this.journal.length) return false;
    for (let partition = 0; partition < this.partitions; partition += 1) {
      const { seqs, since } = this.#logOf(partition);
      if (seqs.length !== this.#wanted(partition, since, Number.POSITIVE_INFINITY).length) return false;
    }
    return true;
  }

  /** The seqs of a partition that is in use, and how far they are everything. */
  #logOf(partition: number): { readonly seqs: readonly number[]; readonly head: number; readonly since: number } {
    const { entries, head, since } = this.redis.log(partition);
    for (const [at, { seq, prev }] of entries.entries())
      assert.equal(prev, entries[at - 1]?.seq ?? since, `partition ${partition}: ${seq} follows another one`);
    return { seqs: entries.map(({ seq }) => seq), head, since };
  }

  checkRedis(): void {
    for (let partition = 0; partition < this.partitions; partition += 1) {
      const { seqs, head, since } = this.#logOf(partition);
      const last = Math.max(head, seqs.at(-1) ?? 0);
      assert.deepEqual(seqs, this.#wanted(partition, since, last), `partition ${partition} is not what the journal says up to ${last}`);
    }
  }

  #wanted(partition: number, since: number, upTo: number): number[] {
    return this.#byPartition[partition]?.filter((seq) => seq > since && seq <= upTo) ?? [];
  }

  #give(replica: Replica, input: PublisherInput, ms: number): void {
    this.after(ms, () => {
      if (replica.isKilled || replica.hasStopped) return;
      if (replica.frozenUntil > this.now) this.#give(replica, input, replica.frozenUntil - this.now);
      else for (const effect of replica.machine.handle(input, this.now)) this.#perform(replica, effect);
    });
  }

  #perform(replica: Replica, effect: PublisherEffect): void {
    switch (effect.do) {
      case 'call':
        this.#call(replica, effect.id, effect.call);
        break;
      case 'publish':
        this.#publish(replica, effect);
        break;
      case 'notify':
        for (const other of this.replicas)
          if (other !== replica) this.#give(other, { kind: 'notified', seq: effect.seq }, this.#random() * 3);
        break;
      case 'wake': {
        replica.timer += 1;
        const { timer } = replica;
        this.after(effect.ms, () => {
          if (replica.timer === timer) this.#give(replica, { kind: 'woken' }, 0);
        });
        break;
      }
      case 'note':
        break;
      case 'stopped':
        replica.hasStopped = true;
        this.kill(replica);
        break;
    }
  }

  #publish(replica: Replica, { fence, from, to, changes }: Extract<PublisherEffect, { do: 'publish' }>): void {
    const { lease } = this;
    assert.ok(
      lease.holder === replica.holder && lease.fence === fence && lease.until >= this.now,
      `published without the lease, under fence ${fence}`,
    );
    assert.deepEqual(
      changes.map(({ change }) => change.seq),
      Array.from({ length: to - from + 1 }, (_, at) => from + at),
    );
    for (const { change } of changes) assert.equal(change, this.journal[change.seq - 1], 'something else than was committed');
    const top = this.#tops.get(fence);
    if (top === undefined) assert.ok(from <= this.published + 1, `fence ${fence} skips what nobody published`);
    else assert.equal(from, top + 1, `fence ${fence} does not go on where it was`);
    this.#tops.set(fence, to);
    this.published = Math.max(this.published, to);
    this.runs += 1;
  }

  /** Sent now, in force later, answered later still. */
  #call(replica: Replica, id: number, call: PublisherCall): void {
    const connection = CONNECTIONS[call.call] ?? 'redis';
    const slow = this.#random() < this.faults.late ? this.#random() * 4000 : 0;
    const at = Math.max(replica.free.get(connection) ?? 0, this.now + this.#random() * 8 + slow);
    replica.free.set(connection, at);
    const fails = this.#random() < this.faults.failing;
    const takesEffect = !fails || this.#random() < 0.5;
    this.after(at - this.now, () => {
      const outcome: Outcome<unknown> = takesEffect ? done(this.#answer(replica, call)) : failed('unavailable');
      this.#give(replica, { kind: 'reply', id, outcome: fails ? failed('unavailable') : outcome }, this.#random() * 8);
    });
  }

  #answer({ holder }: Replica, call: PublisherCall): PublisherReplies[PublisherCall['call']] {
    const { lease, journal, redis } = this;
    const isHolder = (fence: number) => lease.holder === holder && lease.fence === fence;
    switch (call.call) {
      case 'take':
        if (lease.until >= this.now && lease.holder !== holder) return undefined;
        this.lease = { ...lease, holder, fence: Math.max(lease.fence, call.above) + 1, until: this.now + LEASE_TTL_MS };
        return { fence: this.lease.fence, publishedSeq: lease.publishedSeq };
      case 'renew':
      case 'release': {
        const held = isHolder(call.fence);
        assert.ok(!held || call.publishedSeq <= this.published, 'saved as published what was not');
        const until = call.call === 'renew' ? this.now + LEASE_TTL_MS : -1;
        if (held) this.lease = { ...lease, until, publishedSeq: Math.max(lease.publishedSeq, call.publishedSeq) };
        return call.call === 'renew' ? held : undefined;
      }
      case 'settle':
        this.blind = Math.max(0, this.blind - 1);
        return { epoch: EPOCH, comparedWithRedis: this.blind === 0 };
      case 'newest':
        return journal.length;
      case 'oldest':
        return 1;
      case 'changes':
        return journal.slice(call.after, call.after + call.limit);
      case 'partition': {
        const seqs = this.#wanted(call.partition, call.after, call.upTo).slice(0, Math.min(call.limit, 5));
        return seqs.flatMap((seq) => journal[seq - 1] ?? []);
      }
      case 'flush':
      case 'ping':
      case 'drop-other-epochs':
        return undefined;
      default:
        return askHotJournal(redis, call);
    }
  }
}
