/**
 * The partitions of a group that members of this edge own. A partition is owned from the moment its fence is in force in the store until it
 * is dropped; meanwhile its lease in Redis is renewed, and decides whether anything may be given.
 */
import type { Failure } from '@polyedge/contracts/errors';
import type { EdgeState, EpochGroup } from './edge-state.ts';
import type { GroupMember, GroupMembers, Opened } from './members.ts';
import { ask, type OwnedLease, type Procedure, type Wanted } from './messages.ts';
import { PartitionConsumer } from './partition-consumer.ts';
import { heldBy, type Positions } from './positions.ts';
import { preferred } from './rendezvous.ts';

export interface Lease {
  readonly consumer: PartitionConsumer;
  readonly member: GroupMember;
  readonly unfollow: () => void;
  /** Until when it may be used, on our own clock. */
  actUntil: number;
}

/** How an attempt to acquire partitions ended. */
export interface Acquired {
  /** Some of them are held by somebody else. */
  isHeld: boolean;
  /** The store could not put fences in force. */
  refused: Failure | undefined;
  redisFailed: boolean;
}

/** How often a fence is raised to get over one that the store remembers and Redis forgot. */
const CLAIM_ATTEMPTS = 3;

export class Leases {
  readonly #state: EdgeState<EpochGroup>;
  readonly #tenant: string;
  readonly #members: GroupMembers;
  readonly #positions: Positions;
  readonly #leases = new Map<number, Lease>();
  /** Batches given and not yet taken. */
  readonly #byBatch = new Map<number, Lease>();
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

  of(partition: number): Lease | undefined {
    return this.#leases.get(partition);
  }

  all(): Lease[] {
    return [...this.#leases.values()];
  }

  consumers(): PartitionConsumer[] {
    return this.all().map(({ consumer }) => consumer);
  }

  /** A batch was taken. @returns its lease; undefined when that is no longer in use, and then it is for the next owner */
  take(batch: number, confirmed: boolean): Lease | undefined {
    const lease = this.#byBatch.get(batch);
    this.#byBatch.delete(batch);
    if (lease === undefined) return undefined;
    lease.consumer.take(batch, confirmed);
    this.#positions.reached(lease.consumer);
    return lease;
  }

  /** Whether it is still in use here. */
  has(lease: Lease): boolean {
    return this.#leases.get(lease.consumer.partition) === lease;
  }

  /** Goes on reading and giving as far as window and lease allow. */
  pump(lease: Lease): void {
    const { procedures } = this.#state;
    const mayGive = (): boolean => !lease.member.ended && this.has(lease) && this.#state.at < lease.actUntil;
    const reading = lease.consumer.pump(mayGive);
    if (reading !== undefined) procedures.start(reading, lease);
  }

  /** A member has room again: what was read for it and found none goes on. A partition that is asleep is woken by its tail. */
  pumpWaiting(lease: Lease): void {
    for (const other of this.#leases.values()) {
      if (other.member === lease.member && (other === lease ? !other.consumer.asleep : other.consumer.waiting)) this.pump(other);
    }
  }

  /**
   * Acquires partitions, each for the one of `candidates` that should have it, if that one is a member here.
   *
   * @param freeForMs only those whose lease has been free for so long
   */
  *acquire(opened: Opened, partitions: readonly number[], candidates: readonly string[], freeForMs: number): Procedure<Acquired> {
    const { times } = this.#state;
    const acquired: Acquired = { isHeld: false, refused: undefined, redisFailed: false };
    for (const [member, wanted] of this.#byMember(partitions, candidates)) {
      let asked: readonly Wanted[] = wanted.map((partition) => ({ partition, above: 0 }));
      for (let attempt = 0; attempt < CLAIM_ATTEMPTS && asked.length > 0; attempt += 1) {
        const actUntil = this.#state.at + times.termMs - times.marginMs;
        const answers = yield* ask({
          call: 'take',
          epoch: opened.epoch.name,
          group: opened.id,
          owner: member.id,
          freeForMs,
          wanted: asked,
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
        asked = yield* this.#claim(opened, member, taken, actUntil, acquired);
      }
    }
    return acquired;
  }

  /** Whether it is time to prolong them. */
  get renewIsDue(): boolean {
    return !this.#renewing && this.#state.at >= this.#renewAt;
  }

  /** Prolongs all of them. @returns those that are somebody else's by now */
  *renew(opened: Opened): Procedure<readonly Lease[]> {
    const { times, stats } = this.#state;
    const sentAt = this.#state.at;
    this.#renewing = true;
    this.#renewAt = sentAt + times.renewMs;
    const leases = this.all();
    const held = leases.map(({ consumer }) => heldBy(consumer));
    const renewed = yield* ask({ call: 'hold', epoch: opened.epoch.name, group: opened.id, what: 'renew', held });
    this.#renewing = false;
    if (!renewed.ok) {
      stats.redisFailures += 1;
      // Sooner than usual: the lease runs out.
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

  /** Gives no more of a partition, so that it can be handed over. @returns whether nothing of it is under way */
  drain({ consumer }: Lease): boolean {
    if (consumer.drainUntil !== undefined) return false;
    consumer.drainUntil = this.#state.at + this.#state.times.drainMs;
    return consumer.pending === 0;
  }

  /** The member it would have gone to is gone again. */
  undrain(lease: Lease): void {
    lease.consumer.drainUntil = undefined;
    this.pump(lease);
  }

  /** Ends the use of a partition here. What was not confirmed is for the next owner. */
  drop(lease: Lease): void {
    const { consumer, unfollow } = lease;
    this.#positions.reached(consumer);
    this.#leases.delete(consumer.partition);
    for (const batch of consumer.batches) this.#byBatch.delete(batch);
    unfollow();
    this.#state.procedures.cancel(lease);
    this.#state.stats.unconfirmed += consumer.end();
  }

  /** Drops those that are in use. @returns what there is to give back, so that others may take it */
  dropAll(leases: readonly Lease[]): readonly OwnedLease[] {
    const using = leases.filter((lease) => this.has(lease));
    const given = using.map(({ consumer }) => heldBy(consumer));
    for (const lease of using) this.drop(lease);
    return given;
  }

  /** Commits how far they are and gives them back: then others may take them. */
  *giveBack({ id, epoch: { name: epoch } }: Opened, given: readonly OwnedLease[]): Procedure {
    const { stats } = this.#state;
    const committed = yield* ask({ call: 'commit', epoch, positions: given.map((one) => ({ group: id, ...one })), touched: [] });
    if (!committed.ok) stats.commitFailures += 1;
    const released = yield* ask({ call: 'hold', epoch, group: id, what: 'release', held: given });
    if (!released.ok) stats.redisFailures += 1;
  }

  /** Somebody else owns it by now, or Redis forgot who does: what was confirmed is then still taken by the store, unless a new owner has claimed. */
  fence({ id, epoch }: Opened, lease: Lease): void {
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

  /** Puts the new fences in force, so that no older owner moves a position; then owns. Returns those whose fence has to be higher. */
  *#claim(
    opened: Opened,
    member: GroupMember,
    taken: readonly OwnedLease[],
    actUntil: number,
    acquired: Acquired,
  ): Procedure<readonly Wanted[]> {
    const claims = taken.map(({ partition, fence }) => ({ partition, fence }));
    const outcome = yield* ask({ call: 'claim', epoch: opened.epoch.name, group: opened.id, claims });
    if (!outcome.ok) {
      this.#state.stats.storeFailures += 1;
      acquired.refused = outcome.failure;
      return [];
    }
    const higher: Wanted[] = [];
    const tooLate: OwnedLease[] = [];
    for (const { partition, fence, position: stored, taken: inForce } of outcome.value.claims) {
      const copy = taken.find((one) => one.partition === partition);
      if (copy === undefined) continue;
      if (!inForce) {
        higher.push({ partition, above: fence });
        continue;
      }
      const position = Math.max(stored, copy.position, this.#positions.furthest(partition));
      // The member may have gone while we asked.
      if (member.ended) tooLate.push({ partition, fence, position });
      else this.#own(opened, member, { partition, fence, position }, actUntil);
    }
    if (tooLate.length > 0) yield* this.giveBack(opened, tooLate);
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
    const lease: Lease = { consumer, member, actUntil, unfollow: tails.follow(partition, () => this.pump(lease)) };
    this.#leases.set(partition, lease);
    stats.taken += 1;
    if (this.#renewAt === Number.NEGATIVE_INFINITY) this.#renewAt = this.#state.at + times.renewMs;
    this.pump(lease);
  }
}

function* commitLast(epoch: string, position: { group: number } & OwnedLease): Procedure {
  yield* ask({ call: 'commit', epoch, positions: [position], touched: [] });
}
