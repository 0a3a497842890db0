/**
 * The partitions of a group that members of this edge own. A partition is owned from the moment its fence is in force in the store until it
 * is dropped; meanwhile its lease in Redis is renewed, and deliveries depend on it.
 */
import type { Failure } from '@polyedge/contracts/errors';
import type { EdgeState, EpochGroup } from './edge-state.ts';
import type { GroupMember, GroupMembers, Opened } from './members.ts';
import { call, type GroupProcedure, type LeaseRequest, type OwnedLease } from './messages.ts';
import { PartitionConsumer } from './partition-consumer.ts';
import { heldBy, type Positions } from './positions.ts';
import { preferred } from './rendezvous.ts';

export interface PartitionLease {
  readonly consumer: PartitionConsumer;
  readonly member: GroupMember;
  readonly unfollow: () => void;
  /** Until when it may be used, on our own clock. */
  actUntil: number;
}

/** The result of acquiring partitions. */
export interface Acquired {
  /** Some of them have another owner. */
  isHeld: boolean;
  /** Set if the store could not put the fences in force. */
  refused: Failure | undefined;
  redisFailed: boolean;
}

/** How often a fence is raised if the store remembers a higher one that Redis has lost. */
const CLAIM_ATTEMPTS = 3;

export class Leases {
  readonly #state: EdgeState<EpochGroup>;
  readonly #tenant: string;
  readonly #members: GroupMembers;
  readonly #positions: Positions;
  readonly #leases = new Map<number, PartitionLease>();
  /** Unacknowledged batches. */
  readonly #byBatch = new Map<number, PartitionLease>();
  #renewing = false;
  #renewAt = Number.NEGATIVE_INFINITY;

  constructor(state: EdgeState<EpochGroup>, tenant: string, members: GroupMembers, positions: Positions) {
    this.#state = state;
    this.#tenant = tenant;
    this.#members = members;
    this.#positions = positions;
  }

  get size(): number {
    return this.#leases.size;
  }

  of(partition: number): PartitionLease | undefined {
    return this.#leases.get(partition);
  }

  all(): PartitionLease[] {
    return [...this.#leases.values()];
  }

  consumers(): PartitionConsumer[] {
    return this.all().map(({ consumer }) => consumer);
  }

  /**
   * A batch was acknowledged.
   * @returns its lease; undefined if that is no longer in use, and the batch is left to the next owner
   */
  take(batch: number, confirmed: boolean): PartitionLease | undefined {
    const lease = this.#byBatch.get(batch);
    this.#byBatch.delete(batch);
    if (lease === undefined) return undefined;
    lease.consumer.take(batch, confirmed);
    this.#positions.reached(lease.consumer);
    return lease;
  }

  /** Whether it is still in use here. */
  has(lease: PartitionLease): boolean {
    return this.#leases.get(lease.consumer.partition) === lease;
  }

  /** Continues reading and delivering as far as window and lease allow. */
  pump(lease: PartitionLease): void {
    const { procedures } = this.#state;
    const mayGive = (): boolean => !lease.member.ended && this.has(lease) && this.#state.at < lease.actUntil;
    const reading = lease.consumer.pump(mayGive);
    if (reading !== undefined) procedures.start(reading, lease);
  }

  /** A member has room again: continues with what was read for it and did not fit. A partition that is asleep is woken by its tail. */
  pumpWaiting(lease: PartitionLease): void {
    for (const other of this.#leases.values()) {
      if (other.member === lease.member && (other === lease ? !other.consumer.asleep : other.consumer.waiting)) this.pump(other);
    }
  }

  /**
   * Acquires partitions, each for its preferred owner among `candidates`, if that one is a member here.
   *
   * @param freeForMs only those whose lease has been free for this long
   */
  *acquire(opened: Opened, partitions: readonly number[], candidates: readonly string[], freeForMs: number): GroupProcedure<Acquired> {
    const { times } = this.#state;
    const acquired: Acquired = { isHeld: false, refused: undefined, redisFailed: false };
    for (const [member, wanted] of this.#byMember(partitions, candidates)) {
      let requests: readonly LeaseRequest[] = wanted.map((partition) => ({ partition, above: 0 }));
      for (let attempt = 0; attempt < CLAIM_ATTEMPTS && requests.length > 0; attempt += 1) {
        const actUntil = this.#state.at + times.termMs - times.marginMs;
        const answers = yield* call({
          call: 'take',
          epoch: opened.epoch.name,
          group: opened.id,
          owner: member.id,
          freeForMs,
          requests,
        });
        if (!answers.ok) {
          acquired.redisFailed = true;
          return acquired;
        }
        const taken: OwnedLease[] = [];
        for (const answer of answers.value) {
          if (answer.is === 'taken') taken.push(answer);
          else if (freeForMs === 0) acquired.isHeld = true;
        }
        if (taken.length === 0) break;
        requests = yield* this.#claim(opened, member, taken, actUntil, acquired);
      }
    }
    return acquired;
  }

  /** Whether the leases are due for renewal. */
  get renewIsDue(): boolean {
    return !this.#renewing && this.#state.at >= this.#renewAt;
  }

  /**
   * Renews all leases.
   * @returns those that have another owner now
   */
  *renew(opened: Opened): GroupProcedure<readonly PartitionLease[]> {
    const { times, stats } = this.#state;
    const sentAt = this.#state.at;
    this.#renewing = true;
    this.#renewAt = sentAt + times.renewMs;
    const leases = this.all();
    const held = leases.map(({ consumer }) => heldBy(consumer));
    const renewed = yield* call({ call: 'hold', epoch: opened.epoch.name, group: opened.id, what: 'renew', held });
    this.#renewing = false;
    if (!renewed.ok) {
      stats.redisFailures += 1;
      // Sooner than usual, because the lease is running out.
      this.#renewAt = this.#state.at + times.retryMs;
      return [];
    }
    const kept = leases.filter((lease) => this.has(lease));
    for (const lease of kept) {
      if (renewed.value.includes(lease.consumer.partition)) continue;
      lease.actUntil = sentAt + times.termMs - times.marginMs;
      this.pump(lease);
    }
    return kept.filter(({ consumer }) => renewed.value.includes(consumer.partition));
  }

  renewSoon(): void {
    if (this.#leases.size > 0) this.#renewAt = 0;
  }

  /**
   * Stops delivering from a partition, so that it can be handed over.
   * @returns whether no delivery of it is in flight
   */
  drain({ consumer }: PartitionLease): boolean {
    if (consumer.drainUntil !== undefined) return false;
    consumer.drainUntil = this.#state.at + this.#state.times.drainMs;
    return consumer.pending === 0;
  }

  /** The member that would have taken it has left. */
  undrain(lease: PartitionLease): void {
    lease.consumer.drainUntil = undefined;
    this.pump(lease);
  }

  /** Ends the use of a partition here. Unconfirmed changes are left to the next owner. */
  drop(lease: PartitionLease): void {
    const { consumer, unfollow } = lease;
    this.#positions.reached(consumer);
    this.#leases.delete(consumer.partition);
    for (const batch of consumer.batches) this.#byBatch.delete(batch);
    unfollow();
    this.#state.procedures.cancel(lease);
    this.#state.stats.unconfirmed += consumer.end();
  }

  /**
   * Drops those that are in use.
   * @returns what must be released for others
   */
  dropAll(leases: readonly PartitionLease[]): readonly OwnedLease[] {
    const using = leases.filter((lease) => this.has(lease));
    const given = using.map(({ consumer }) => heldBy(consumer));
    for (const lease of using) this.drop(lease);
    return given;
  }

  /** Commits their positions and releases them for others. */
  *release({ id, epoch: { name: epoch } }: Opened, given: readonly OwnedLease[]): GroupProcedure {
    const { stats } = this.#state;
    const committed = yield* call({ call: 'commit', epoch, positions: given.map((one) => ({ group: id, ...one })), touched: [] });
    if (!committed.ok) stats.commitFailures += 1;
    const released = yield* call({ call: 'hold', epoch, group: id, what: 'release', held: given });
    if (!released.ok) stats.redisFailures += 1;
  }

  /**
   * Another edge owns it now, or Redis has lost the lease: the store still accepts what was confirmed, unless a new owner has put its fence
   * in force.
   */
  fence({ id, epoch }: Opened, lease: PartitionLease): void {
    this.#state.stats.fenced += 1;
    this.drop(lease);
    const { position, committed } = lease.consumer;
    if (position > committed) this.#state.procedures.start(commitLast(epoch.name, { group: id, ...heldBy(lease.consumer) }));
  }

  #byMember(partitions: readonly number[], candidates: readonly string[]): Map<GroupMember, number[]> {
    const byMember = new Map<GroupMember, number[]>();
    for (const partition of partitions) {
      const member = this.#members.get(preferred(partition, candidates) ?? '');
      if (member === undefined || member.ended) continue;
      const wanted = byMember.get(member);
      if (wanted === undefined) byMember.set(member, [partition]);
      else wanted.push(partition);
    }
    return byMember;
  }

  /**
   * Puts the new fences in force, so that no older owner can move a position, and takes ownership. Returns those that need a higher fence.
   */
  *#claim(
    opened: Opened,
    member: GroupMember,
    taken: readonly OwnedLease[],
    actUntil: number,
    acquired: Acquired,
  ): GroupProcedure<readonly LeaseRequest[]> {
    const claims = taken.map(({ partition, fence }) => ({ partition, fence }));
    const outcome = yield* call({ call: 'claim', epoch: opened.epoch.name, group: opened.id, claims });
    if (!outcome.ok) {
      this.#state.stats.storeFailures += 1;
      acquired.refused = outcome.failure;
      return [];
    }
    const higher: LeaseRequest[] = [];
    const tooLate: OwnedLease[] = [];
    for (const { partition, fence, position: stored, taken: inForce } of outcome.value.claims) {
      const copy = taken.find((one) => one.partition === partition);
      if (copy === undefined) continue;
      if (!inForce) {
        higher.push({ partition, above: fence });
        continue;
      }
      const position = Math.max(stored, copy.position, this.#positions.furthest(partition));
      // The member may have left during the request.
      if (member.ended) tooLate.push({ partition, fence, position });
      else this.#own(opened, member, { partition, fence, position }, actUntil);
    }
    if (tooLate.length > 0) yield* this.release(opened, tooLate);
    return higher;
  }

  #own(opened: Opened, member: GroupMember, { partition, fence, position }: OwnedLease, actUntil: number): void {
    const { stats, times, effects } = this.#state;
    const { name: epoch, tails } = opened.epoch;
    const consumer = new PartitionConsumer({
      epoch,
      partition,
      tenant: this.#tenant,
      fence,
      position,
      member: member.id,
      window: member.window,
      tails,
      effects,
      newBatch: () => {
        const batch = this.#state.newBatch();
        this.#byBatch.set(batch, lease);
        return batch;
      },
    });
    const lease: PartitionLease = { consumer, member, actUntil, unfollow: tails.follow(partition, () => this.pump(lease)) };
    this.#leases.set(partition, lease);
    stats.taken += 1;
    effects.push({ do: 'taken', member: member.id });
    if (this.#renewAt === Number.NEGATIVE_INFINITY) this.#renewAt = this.#state.at + times.renewMs;
    this.pump(lease);
  }
}

function* commitLast(epoch: string, position: { group: number } & OwnedLease): GroupProcedure {
  yield* call({ call: 'commit', epoch, positions: [position], touched: [] });
}
