/**
 * One group, as one edge sees it: its own members, and the partitions that they should own. It rebalances when an edge reports that members
 * changed, and every few seconds anyway; the leases decide, not the list.
 */
import type { Failure } from '@polyedge/contracts/errors';
import { ANOTHER_HISTORY, type EdgeState } from './edge-state.ts';
import { Leases, type PartitionLease } from './leases.ts';
import { type GroupMember, GroupMembers, type Opened } from './members.ts';
import { call, type GroupProcedure, type OwnedLease } from './messages.ts';
import type { CommittedPosition } from './port.ts';
import { Positions, uncommitted } from './positions.ts';
import { preferred } from './rendezvous.ts';

/** Why the store may no longer have a group. */
export const GONE = 'the group has expired, was reset or deleted, or was too far behind';

export interface GroupName {
  /** Unique among all groups. */
  readonly key: string;
  readonly tenant: string;
  readonly name: string;
  readonly edge: string;
  /** Where a group that the store does not have yet starts: the choice of its first member. */
  readonly start: 'largest' | 'smallest';
}

export class ConsumerGroup {
  readonly #state: EdgeState<ConsumerGroup>;
  readonly #of: GroupName;
  readonly #members: GroupMembers;
  readonly #positions: Positions;
  readonly #leases: Leases;
  #opened: Opened | undefined;
  #rebalancing = false;
  #rebalanceAt = Number.NEGATIVE_INFINITY;
  #ended = false;

  constructor(state: EdgeState<ConsumerGroup>, of: GroupName) {
    this.#state = state;
    this.#of = of;
    this.#members = new GroupMembers(of.edge);
    this.#positions = new Positions(state);
    this.#leases = new Leases(state, of.tenant, this.#members, this.#positions);
    state.effects.push({ do: 'listen', group: of.key, tenant: of.tenant, name: of.name });
  }

  /** Its id in the store and in Redis. */
  get id(): number | undefined {
    return this.#opened?.id;
  }

  join(id: string): void {
    this.#members.add(id);
    this.#state.stats.joined += 1;
    this.rebalance();
  }

  leave(id: string): void {
    const member = this.#members.get(id);
    if (member !== undefined) this.#leave(member);
  }

  leaveAll(): void {
    for (const member of this.#members.all()) this.#leave(member);
  }

  /** A batch was acknowledged. */
  ack(batch: number, confirmed: boolean): void {
    const lease = this.#leases.take(batch, confirmed);
    if (lease === undefined) return;
    const { drainUntil, pending } = lease.consumer;
    if (drainUntil !== undefined && pending === 0) this.#release([lease]);
    else this.#leases.pumpWaiting(lease);
  }

  tick(): void {
    const { at, procedures } = this.#state;
    if (at >= this.#rebalanceAt) this.#startRebalancing();
    const opened = this.#opened;
    if (opened === undefined || this.#leases.size === 0) return;
    if (this.#leases.renewIsDue) procedures.start(this.#renew(opened), this);
    const consumers = this.#leases.consumers();
    if (this.#positions.isDue(consumers)) procedures.start(this.#save(opened), this);
    for (const lease of this.#leases.all()) {
      // Ending one may have ended another.
      if (!this.#leases.has(lease)) continue;
      const { drainUntil, failure, asleep } = lease.consumer;
      if (drainUntil !== undefined && at >= drainUntil) this.#drainOver(lease);
      else if (failure?.code === 'lost') {
        lease.consumer.failure = undefined;
        procedures.start(this.#gap(opened, lease), lease);
      } else if (!asleep) this.#leases.pump(lease);
    }
  }

  /** Positions that PostgreSQL does not have yet. */
  uncommitted(): CommittedPosition[] {
    const group = this.#opened?.id;
    return group === undefined ? [] : uncommitted(group, this.#leases.consumers());
  }

  committed({ partition, fence, position }: CommittedPosition): void {
    const consumer = this.#leases.of(partition)?.consumer;
    if (consumer?.fence === fence) consumer.committed = Math.max(consumer.committed, position);
  }

  /** Another edge owns it now. */
  fenced(partition: number): void {
    const lease = this.#leases.of(partition);
    if (lease !== undefined && this.#opened !== undefined) this.#fence(this.#opened, [lease]);
  }

  /** Redis was disconnected and may have lost the leases: rebalances at once. */
  reconsider(): void {
    this.#leases.renewSoon();
    this.rebalance();
  }

  /** Rebalances, at once or after the rebalance in progress. */
  rebalance(): void {
    this.#rebalanceAt = Number.NEGATIVE_INFINITY;
    this.#startRebalancing();
  }

  /** Ends every membership: the group cannot continue. */
  lose(failure: Failure): void {
    this.#leases.dropAll(this.#leases.all());
    const members = this.#members.all();
    for (const member of members) this.#members.remove(member);
    if (this.#opened !== undefined)
      this.#state.depart(
        this.#opened.id,
        members.map(({ id }) => id),
      );
    this.#finish();
    for (const member of members) this.#notifyLost(member, failure);
  }

  lagOf(partition: number): number {
    const consumer = this.#leases.of(partition)?.consumer;
    return consumer === undefined || consumer.caughtUp ? 0 : Math.max(0, this.#state.announced - consumer.position);
  }

  view() {
    const { tenant, name } = this.#of;
    return {
      tenant,
      name,
      id: this.#opened?.id,
      members: this.#members.ids(),
      partitions: this.#leases.all().map(({ consumer, member }) => ({
        partition: consumer.partition,
        owner: member.id,
        fence: consumer.fence,
        position: consumer.position,
        pending: consumer.pending,
        lag: this.lagOf(consumer.partition),
        draining: consumer.drainUntil !== undefined,
      })),
    };
  }

  // ---- rebalancing

  #startRebalancing(): void {
    if (this.#rebalancing || this.#ended) return;
    this.#rebalancing = true;
    this.#state.rebalances.take(() => {
      if (this.#ended) return false;
      this.#rebalanceAt = this.#state.at + this.#state.times.refreshMs;
      this.#state.procedures.start(this.#rebalanceInTurn(), this);
      return true;
    });
  }

  *#rebalanceInTurn(): GroupProcedure {
    try {
      yield* this.#rebalance();
    } finally {
      // Also if the group has ended meanwhile.
      this.#state.rebalances.giveBack();
    }
    this.#rebalancing = false;
    if (this.#rebalanceAt === Number.NEGATIVE_INFINITY) this.#startRebalancing();
  }

  #retry(): void {
    this.#rebalanceAt = Math.min(this.#rebalanceAt, this.#state.at + this.#state.times.retryMs);
  }

  #redisFailed(): void {
    this.#state.stats.redisFailures += 1;
    this.#retry();
  }

  *#rebalance(): GroupProcedure {
    const opened = this.#opened ?? (yield* this.#open());
    if (opened === undefined || !(yield* this.#list(opened))) return;
    const living = yield* this.#members.living(opened);
    if (living === undefined) {
      this.#redisFailed();
      return;
    }
    const own: number[] = [];
    const others: number[] = [];
    for (let partition = 0; partition < opened.partitions; partition += 1) {
      const lease = this.#leases.of(partition);
      const wanted = preferred(partition, living);
      if (lease !== undefined) {
        if (wanted !== lease.member.id) {
          if (this.#leases.drain(lease)) this.#release([lease]);
        } else if (lease.consumer.drainUntil !== undefined && lease.consumer.pending > 0) this.#leases.undrain(lease);
      } else if (wanted !== undefined && this.#members.has(wanted)) own.push(partition);
      else others.push(partition);
    }
    if (!(yield* this.#acquire(opened, own, living, 0))) return;
    // The preferred owner does not take it: better another owner than none.
    yield* this.#acquire(opened, others, this.#members.ids(), 2 * this.#state.times.termMs);
  }

  /** @returns false if continuing is pointless */
  *#acquire(opened: Opened, partitions: readonly number[], candidates: readonly string[], freeForMs: number): GroupProcedure<boolean> {
    const { isHeld, refused, redisFailed } = yield* this.#leases.acquire(opened, partitions, candidates, freeForMs);
    if (redisFailed) this.#redisFailed();
    else if (isHeld) this.#retry();
    if (refused === undefined) return !redisFailed;
    if (refused.code === 'lost') {
      this.lose(refused);
      return false;
    }
    if (refused.code === 'not-found') {
      // Confirmations of the old group must not move positions of the new one.
      if (this.#leases.size > 0) {
        this.lose({ code: 'lost', detail: GONE });
        return false;
      }
      // It expired while it had no members: the next rebalance creates it again.
      this.#opened = undefined;
      this.#positions.forget();
    }
    this.#retry();
    return false;
  }

  /** Opens the group in the store, which returns its id, epoch and partitions. */
  *#open(): GroupProcedure<Opened | undefined> {
    const { tenant, name, start } = this.#of;
    const outcome = yield* call({ call: 'open', tenant, name, start, skip: false });
    if (!outcome.ok) {
      this.#state.stats.storeFailures += 1;
      if (outcome.failure.code === 'limited' || outcome.failure.code === 'invalid') this.lose(outcome.failure);
      else this.#retry();
      return undefined;
    }
    const { id, created, epoch, partitions } = outcome.value;
    const opened: Opened = { id, epoch: this.#state.enter(epoch), partitions };
    if (this.#state.offsetMode === 'literal' && start === 'largest' && !created && !(yield* this.#skipMissed(opened))) return undefined;
    this.#opened = opened;
    return opened;
  }

  /** A group without members skips what it missed. Returns false if Redis is unavailable. */
  *#skipMissed({ id, epoch }: Opened): GroupProcedure<boolean> {
    const { tenant, name } = this.#of;
    const listed = yield* call({ call: 'list', epoch: epoch.name, group: id, members: this.#members.ids() });
    if (!listed.ok) {
      this.#redisFailed();
      return false;
    }
    const joined = listed.value;
    const skip = joined !== 'full' && joined.count === joined.added;
    if (skip) yield* call({ call: 'open', tenant, name, start: 'largest', skip });
    for (const member of this.#members.all()) member.listed = joined !== 'full';
    this.#announce();
    return true;
  }

  /** Lists our members in Redis; returns false if none is left to own anything. */
  *#list(opened: Opened): GroupProcedure<boolean> {
    if (this.#members.size === 0) return false;
    const listed = yield* this.#members.list(opened);
    if (listed === 'failed') {
      this.#redisFailed();
      return false;
    }
    const { added, refused } = listed;
    if (added > 0) this.#announce();
    if (refused.length === 0) return true;
    for (const member of refused) {
      if (member.ended) continue;
      this.#members.remove(member);
      this.#notifyLost(member, { code: 'limited', detail: 'the group has as many members as it may have' });
    }
    if (this.#members.size === 0) this.#finish();
    else this.#retry();
    return false;
  }

  // ---- ends

  *#renew(opened: Opened): GroupProcedure {
    this.#fence(opened, yield* this.#leases.renew(opened));
  }

  *#save(opened: Opened): GroupProcedure {
    const fenced = yield* this.#positions.save(opened, this.#leases.consumers());
    this.#fence(
      opened,
      this.#leases.all().filter(({ consumer }) => fenced.includes(consumer)),
    );
  }

  #fence(opened: Opened, leases: readonly PartitionLease[]): void {
    const using = leases.filter((lease) => this.#leases.has(lease));
    if (using.length === 0 || this.#opened !== opened) return;
    for (const lease of using) this.#leases.fence(opened, lease);
    this.rebalance();
  }

  #drainOver({ member }: PartitionLease): void {
    this.#state.stats.drainTimeouts += 1;
    this.#leave(member);
    this.#notifyLost(member, { code: 'busy', detail: 'deliveries were not confirmed in time' });
  }

  /** The journal no longer has the position: the group continues at the oldest change, and its client is notified. */
  *#gap(opened: Opened, lease: PartitionLease): GroupProcedure {
    const { stats, effects } = this.#state;
    const { tenant, name } = this.#of;
    const position = yield* call({ call: 'position' });
    if (!position.ok) return;
    const { epoch, oldest } = position.value;
    if (epoch !== opened.epoch.name) {
      this.lose(ANOTHER_HISTORY);
      return;
    }
    if (lease.consumer.position + 1 >= oldest) return;
    stats.gaps += 1;
    const sentence = 'a consumer group was away for longer than the journal keeps changes: it continues at the oldest one';
    effects.push({ do: 'note', tenant, name, sentence });
    for (const other of this.#leases.consumers()) other.position = Math.max(other.position, oldest - 1);
    this.#leave(lease.member);
    this.#notifyLost(lease.member, { code: 'lost', detail: 'events are missing: the journal no longer has them' });
  }

  #release(leases: readonly PartitionLease[]): void {
    const given = this.#leases.dropAll(leases);
    this.#state.stats.released += given.length;
    if (this.#opened !== undefined && given.length > 0) this.#state.procedures.start(this.#handBack(this.#opened, given));
  }

  *#handBack(opened: Opened, given: readonly OwnedLease[]): GroupProcedure {
    yield* this.#leases.release(opened, given);
    this.#announce();
    if (!this.#ended) this.rebalance();
  }

  #leave(member: GroupMember): void {
    if (member.ended) return;
    member.ended = true;
    this.#state.stats.left += 1;
    this.#members.remove(member);
    const given = this.#leases.dropAll(this.#leases.all().filter((lease) => lease.member === member));
    this.#state.stats.released += given.length;
    if (this.#opened !== undefined) this.#state.procedures.start(this.#depart(this.#opened, member, given));
    if (this.#members.size === 0) this.#finish();
  }

  /** A member's partitions are released before it leaves the list, because others wait for them. */
  *#depart(opened: Opened, { id: member }: GroupMember, given: readonly OwnedLease[]): GroupProcedure {
    const { id, epoch } = opened;
    if (given.length > 0) yield* this.#handBack(opened, given);
    const unlisted = yield* call({ call: 'unlist', epoch: epoch.name, group: id, members: [member] });
    if (!unlisted.ok) {
      this.#state.stats.redisFailures += 1;
      this.#state.depart(id, [member]);
    }
    this.#announce();
  }

  #notifyLost(member: GroupMember, failure: Failure): void {
    member.ended = true;
    this.#state.effects.push({ do: 'lost', member: member.id, failure });
  }

  #announce(): void {
    this.#state.effects.push({ do: 'notify', tenant: this.#of.tenant, name: this.#of.name });
  }

  #finish(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#state.procedures.cancel(this);
    this.#state.effects.push({ do: 'unlisten', group: this.#of.key });
    this.#state.groups.delete(this.#of.key);
  }
}
