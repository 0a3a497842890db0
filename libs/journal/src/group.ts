/**
 * One group as one edge sees it: its own members, and which of the partitions they should own. Looks again when somebody says that members
 * changed, and every few seconds anyway; the lease decides, not the list.
 */
import type { Failure } from '@polyedge/contracts/errors';
import type { Era, Opened } from './era.ts';
import { GroupMembers, type Member, tellLost } from './group-members.ts';
import type { GroupSignals, GroupStore, MemberHandler, Position } from './group-port.ts';
import type { GroupStats, GroupTimes } from './group-settings.ts';
import { type Lease, Leases } from './leases.ts';
import { Positions, uncommitted } from './positions.ts';
import { preferred } from './rendezvous.ts';

export interface GroupOptions {
  readonly tenant: string;
  readonly name: string;
  readonly edge: string;
  readonly store: GroupStore;
  readonly signals: GroupSignals;
  readonly offsetMode: 'kafka' | 'literal';
  readonly times: GroupTimes;
  readonly stats: GroupStats;
  /** How often positions go to Redis at the moment. */
  saveMs(): number;
  now(): number;
  note(sentence: string): void;
  /** The parts of an epoch. One that is not in force yet ends every group of the one that was. */
  era(epoch: string): Era;
  /** The newest seq that the feed has announced. */
  announced(): number;
  /** Members have gone, and Redis could not be told: it is told later, or they would be waited for. */
  departed(group: number, members: readonly string[]): void;
  /** The last member has gone. */
  emptied(): void;
}

export class Group {
  readonly #options: GroupOptions;
  readonly #members: GroupMembers;
  readonly #positions: Positions;
  readonly #leases: Leases;
  #start: 'largest' | 'smallest' = 'largest';
  #opened: Opened | undefined;
  #unhear: (() => void) | undefined;
  #refreshing: Promise<void> | undefined;
  #refreshAt = Number.NEGATIVE_INFINITY;
  #ended = false;

  constructor(options: GroupOptions) {
    const { tenant, edge, store, times, stats, now } = options;
    this.#options = options;
    this.#members = new GroupMembers(edge, times.aliveMs);
    this.#positions = new Positions(options.saveMs, stats);
    this.#leases = new Leases({
      tenant,
      store,
      times,
      stats,
      now,
      members: this.#members,
      positions: this.#positions,
      isOpen: (opened) => !this.#ended && this.#opened === opened,
      retry: () => this.#retry(),
      refused: (failure) => this.#refused(failure),
      drained: (lease) => void this.#leases.release(this.#opened, [lease]),
      freed: () => {
        this.#announce();
        if (!this.#ended) this.#soon();
      },
      gap: (lease) => void this.#gap(lease),
    });
  }

  /** The id under which the store and Redis know it. */
  get id(): number | undefined {
    return this.#opened?.id;
  }

  /** Returns what ends the membership. */
  join(id: string, start: 'largest' | 'smallest', handler: MemberHandler): () => void {
    const { stats, signals, tenant, name } = this.#options;
    if (this.#members.size === 0) this.#start = start;
    const member = this.#members.add(id, handler);
    this.#unhear ??= signals.heard(tenant, name, () => this.#soon());
    stats.joined += 1;
    this.#soon();
    return () => void this.#leave(member);
  }

  tick(now: number): void {
    if (now >= this.#refreshAt) this.#refresh();
    const opened = this.#opened;
    if (opened === undefined || this.#leases.size === 0) return;
    void this.#leases.renew(opened, now).then((fenced) => this.#fence(opened, fenced));
    void this.#save(opened, now);
    for (const lease of this.#leases.all()) {
      // Its member may have gone over another one.
      if (!this.#leases.has(lease)) continue;
      const { drainUntil } = lease.owned;
      if (drainUntil !== undefined && now >= drainUntil) this.#drainOver(lease);
      else if (!lease.owned.asleep) lease.owned.pump();
    }
  }

  /** Positions that PostgreSQL has not heard of. */
  uncommitted(): Position[] {
    const group = this.#opened?.id;
    return group === undefined ? [] : uncommitted(group, this.#leases.owned());
  }

  committed({ partition, fence, position }: Position): void {
    const owned = this.#leases.of(partition)?.owned;
    if (owned?.fence === fence) owned.committed = Math.max(owned.committed, position);
  }

  /** Somebody else owns it by now. */
  fenced(partition: number): void {
    const lease = this.#leases.of(partition);
    if (lease !== undefined && this.#opened !== undefined) this.#fence(this.#opened, [lease]);
  }

  /** Redis was away, and may have forgotten who owns what: finds out before others do. */
  reconsider(): void {
    this.#leases.renewSoon();
    this.#soon();
  }

  /** Ends every membership: the group cannot go on as it was. */
  lose(failure: Failure): void {
    for (const lease of this.#leases.all()) this.#leases.drop(lease);
    const members = this.#members.all();
    for (const member of members) this.#members.remove(member);
    if (this.#opened !== undefined) {
      this.#options.departed(
        this.#opened.id,
        members.map(({ id }) => id),
      );
    }
    this.#finish();
    for (const member of members) tellLost(member, failure);
  }

  /** Gives everything back, for the end of the process. */
  async end(): Promise<void> {
    await Promise.all(this.#members.all().map((member) => this.#leave(member)));
  }

  lagOf(partition: number): number {
    const owned = this.#leases.of(partition)?.owned;
    return owned === undefined || owned.caughtUp ? 0 : Math.max(0, this.#options.announced() - owned.position);
  }

  view() {
    const { tenant, name } = this.#options;
    return {
      tenant,
      name,
      id: this.#opened?.id,
      members: this.#members.ids(),
      partitions: this.#leases.all().map(({ owned, member }) => ({
        partition: owned.partition,
        owner: member.id,
        fence: owned.fence,
        position: owned.position,
        pending: owned.pending,
        lag: this.lagOf(owned.partition),
        draining: owned.drainUntil !== undefined,
      })),
    };
  }

  // ---- who should own what

  /** Looks again at the next tick, or at once when nothing is under way. */
  #soon(): void {
    this.#refreshAt = Number.NEGATIVE_INFINITY;
    if (this.#refreshing === undefined) this.#refresh();
  }

  #refresh(): void {
    const { now, times, stats } = this.#options;
    if (this.#refreshing !== undefined || this.#ended) return;
    this.#refreshAt = now() + times.refreshMs;
    this.#refreshing = this.#look()
      .catch(() => {
        stats.redisFailures += 1;
        this.#retry();
      })
      .finally(() => {
        this.#refreshing = undefined;
        if (this.#refreshAt === Number.NEGATIVE_INFINITY) this.#refresh();
      });
  }

  #retry(): void {
    const { now, times } = this.#options;
    this.#refreshAt = Math.min(this.#refreshAt, now() + times.retryMs);
  }

  async #look(): Promise<void> {
    const opened = await this.#open();
    if (opened === undefined || !(await this.#list(opened))) return;
    const living = await this.#members.living(opened);
    const own: number[] = [];
    const others: number[] = [];
    for (let partition = 0; partition < opened.partitions; partition += 1) {
      const lease = this.#leases.of(partition);
      const wanted = preferred(partition, living);
      if (lease !== undefined) {
        if (wanted !== lease.member.id) this.#leases.drain(lease);
        else if (lease.owned.drainUntil !== undefined && lease.owned.pending > 0) this.#leases.undrain(lease);
      } else if (wanted !== undefined && this.#members.has(wanted)) own.push(partition);
      else others.push(partition);
    }
    await this.#leases.take(opened, own, living, 0);
    // Whoever should have it does not take it: better somebody than nobody.
    await this.#leases.take(opened, others, this.#members.ids(), 2 * this.#options.times.termMs);
  }

  /** Knows the group to the store, and thereby its id, epoch and partitions. */
  async #open(): Promise<Opened | undefined> {
    const { store, tenant, name, offsetMode, stats } = this.#options;
    if (this.#opened !== undefined) return this.#opened;
    const outcome = await store.open(tenant, name, this.#start, false);
    if (!outcome.ok) {
      stats.storeFailures += 1;
      if (outcome.failure.code === 'limited' || outcome.failure.code === 'invalid') this.lose(outcome.failure);
      else this.#retry();
      return undefined;
    }
    const { id, created, epoch, partitions } = outcome.value;
    if (this.#ended) return undefined;
    const era = this.#options.era(epoch);
    const opened = { id, era, partitions };
    if (offsetMode === 'literal' && this.#start === 'largest' && !created) {
      const { edge, times } = this.#options;
      const [, joined] = await Promise.all([era.redis.beat(edge, times.aliveMs), era.redis.join(id, edge, this.#members.ids())]);
      if (joined !== 'full' && joined.count === joined.added) await store.open(tenant, name, 'largest', true);
      for (const member of this.#members.all()) member.listed = joined !== 'full';
      this.#announce();
    }
    this.#opened = opened;
    return opened;
  }

  /** Lists our members; false when there is nobody to own anything. */
  async #list(opened: Opened): Promise<boolean> {
    if (this.#members.size === 0) return false;
    const added = await this.#members.list(opened);
    if (added !== 'full') {
      if (added > 0) this.#announce();
      return true;
    }
    for (const member of this.#members.all().filter(({ listed }) => !listed)) {
      this.#members.remove(member);
      tellLost(member, { code: 'limited', detail: 'the group has as many members as it may have' });
    }
    if (this.#members.size === 0) this.#finish();
    else this.#retry();
    return false;
  }

  /** The store could not put the fences of what was taken in force. */
  #refused(failure: Failure): void {
    if (failure.code === 'lost') {
      this.lose(failure);
      return;
    }
    if (failure.code === 'not-found') {
      // It expired while nobody was there: the next look makes it anew.
      this.#opened = undefined;
      this.#positions.forget();
    }
    this.#retry();
  }

  // ---- what ends

  #fence(opened: Opened, leases: readonly Lease[]): void {
    const using = leases.filter((lease) => this.#leases.has(lease));
    if (using.length === 0 || this.#opened !== opened) return;
    for (const lease of using) this.#leases.fence(opened, lease);
    this.#soon();
  }

  async #save(opened: Opened, now: number): Promise<void> {
    const fenced = await this.#positions.save(opened, this.#leases.owned(), now);
    this.#fence(
      opened,
      this.#leases.all().filter(({ owned }) => fenced.includes(owned)),
    );
  }

  #drainOver(lease: Lease): void {
    this.#options.stats.drainTimeouts += 1;
    const { member } = lease;
    void this.#leave(member);
    tellLost(member, { code: 'busy', detail: 'what was sent was not confirmed in time' });
  }

  /** A position that the journal no longer has: the group goes on at the oldest change there is, and its client is told. */
  async #gap(lease: Lease): Promise<void> {
    const { store, stats, note } = this.#options;
    const opened = this.#opened;
    const position = await store.position();
    if (!position.ok || opened === undefined || !this.#leases.has(lease)) return;
    if (position.value.epoch !== opened.era.epoch) {
      this.lose({ code: 'lost', detail: 'another history has begun' });
      return;
    }
    if (lease.owned.position + 1 >= position.value.oldest) return;
    stats.gaps += 1;
    note('a consumer group was away for longer than the journal keeps changes: it goes on at the oldest one');
    for (const other of this.#leases.owned()) other.position = Math.max(other.position, position.value.oldest - 1);
    const { member } = lease;
    const gone = this.#leave(member);
    tellLost(member, { code: 'lost', detail: 'events are missing: they are older than what is kept' });
    await gone;
  }

  async #leave(member: Member): Promise<void> {
    if (member.ended) return;
    member.ended = true;
    const { stats } = this.#options;
    stats.left += 1;
    const opened = this.#opened;
    this.#members.remove(member);
    const releasing = this.#leases.release(
      opened,
      this.#leases.all().filter((lease) => lease.member === member),
    );
    if (this.#members.size === 0) this.#finish();
    await releasing;
    if (opened === undefined) return;
    try {
      await opened.era.redis.leave(opened.id, [member.id]);
    } catch {
      stats.redisFailures += 1;
      this.#options.departed(opened.id, [member.id]);
    }
    this.#announce();
  }

  #announce(): void {
    const { signals, tenant, name } = this.#options;
    signals.tell(tenant, name);
  }

  #finish(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#unhear?.();
    this.#options.emptied();
  }
}
