/**
 * One group as one edge sees it: its own members, the partitions they own, and who should own what. Looks again when somebody says that members
 * changed, and every few seconds anyway; the lease decides, not the list.
 */
import type { Failure } from '@polyedge/contracts/errors';
import type { Era } from './era.ts';
import type { GroupSignals, GroupStore, MemberHandler, Position } from './group-port.ts';
import type { Held } from './group-redis.ts';
import type { GroupStats, GroupTimes } from './group-settings.ts';
import { type MemberWindow, Owned } from './owned.ts';
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
  now(): number;
  note(sentence: string): void;
  /** The parts of an epoch; undefined when that is not the one in force. */
  era(epoch: string): Era | undefined;
  /** The newest seq that the feed has announced. */
  announced(): number;
  /** Members have gone, and Redis could not be told: it is told later, or they would be waited for. */
  departed(group: number, members: readonly string[]): void;
  /** The last member has gone. */
  emptied(): void;
}

interface Member {
  readonly id: string;
  readonly handler: MemberHandler;
  readonly window: MemberWindow;
  readonly owned: Map<number, Owned>;
  /** Listed in Redis by now, as far as we know. */
  listed: boolean;
  ended: boolean;
}

interface Opened {
  readonly id: number;
  readonly era: Era;
  readonly partitions: number;
}

interface Lease {
  readonly owned: Owned;
  readonly member: Member;
  readonly unfollow: () => void;
  /** Until when it may be used, on our own clock. */
  actUntil: number;
}

/** How often a fence is raised to get over one that the store remembers and Redis forgot. */
const CLAIM_ATTEMPTS = 3;

export class Group {
  readonly #options: GroupOptions;
  readonly #members = new Map<string, Member>();
  readonly #leases = new Map<number, Lease>();
  /** The furthest position that was ever confirmed here: it stays true whatever Redis forgets. */
  readonly #confirmed = new Map<number, number>();
  #start: 'largest' | 'smallest' = 'largest';
  #opened: Opened | undefined;
  #unhear: (() => void) | undefined;
  #refreshing: Promise<void> | undefined;
  #refreshAt = Number.NEGATIVE_INFINITY;
  #renewing = false;
  #renewAt = Number.NEGATIVE_INFINITY;
  #saving = false;
  #saveAt = Number.NEGATIVE_INFINITY;
  #ended = false;

  constructor(options: GroupOptions) {
    this.#options = options;
  }

  /** The id under which the store and Redis know it. */
  get id(): number | undefined {
    return this.#opened?.id;
  }

  /** Returns what ends the membership. */
  join(id: string, start: 'largest' | 'smallest', handler: MemberHandler): () => void {
    const { stats, signals, tenant, name } = this.#options;
    if (this.#members.size === 0) this.#start = start;
    const member: Member = { id, handler, window: { items: 0, bytes: 0 }, owned: new Map(), listed: false, ended: false };
    this.#members.set(id, member);
    this.#unhear ??= signals.heard(tenant, name, () => this.#soon());
    stats.joined += 1;
    this.#soon();
    return () => void this.#leave(member);
  }

  tick(now: number): void {
    const { times } = this.#options;
    if (now >= this.#refreshAt) this.#refresh();
    if (this.#leases.size === 0) return;
    if (now >= this.#renewAt && !this.#renewing) void this.#renew();
    if (now - this.#saveAt >= times.saveMs && !this.#saving) void this.#save(now);
    for (const lease of [...this.#leases.values()]) {
      const { drainUntil } = lease.owned;
      if (drainUntil !== undefined && now >= drainUntil) this.#drainOver(lease);
      else lease.owned.pump();
    }
  }

  /** Positions that PostgreSQL has not heard of. */
  uncommitted(): Position[] {
    const group = this.#opened?.id;
    if (group === undefined) return [];
    return [...this.#leases.values()]
      .filter(({ owned }) => owned.position > owned.committed)
      .map(({ owned: { partition, fence, position } }) => ({ group, partition, fence, position }));
  }

  committed({ partition, fence, position }: Position): void {
    const owned = this.#leases.get(partition)?.owned;
    if (owned?.fence === fence) owned.committed = Math.max(owned.committed, position);
  }

  /** Somebody else owns it by now. */
  fenced(partition: number): void {
    const lease = this.#leases.get(partition);
    const opened = this.#opened;
    if (lease === undefined || opened === undefined) return;
    const { store, stats } = this.#options;
    stats.fenced += 1;
    this.#drop(lease);
    // Redis may only have forgotten. What was confirmed is then still taken by the store, unless a new owner has claimed already.
    const { fence, position, committed } = lease.owned;
    if (position > committed) void store.commit(opened.era.epoch, [{ group: opened.id, partition, fence, position }], []);
    this.#soon();
  }

  /** Ends every membership: the group cannot go on as it was. */
  lose(failure: Failure): void {
    for (const lease of [...this.#leases.values()]) this.#drop(lease);
    const members = [...this.#members.values()];
    this.#members.clear();
    if (this.#opened !== undefined) {
      this.#options.departed(
        this.#opened.id,
        members.map(({ id }) => id),
      );
    }
    this.#finish();
    for (const member of members) this.#tellLost(member, failure);
  }

  /** Gives everything back, for the end of the process. */
  async end(): Promise<void> {
    await Promise.all([...this.#members.values()].map((member) => this.#leave(member)));
  }

  lagOf(partition: number): number {
    const owned = this.#leases.get(partition)?.owned;
    return owned === undefined || owned.caughtUp ? 0 : Math.max(0, this.#options.announced() - owned.position);
  }

  view() {
    const { tenant, name } = this.#options;
    return {
      tenant,
      name,
      id: this.#opened?.id,
      members: [...this.#members.keys()],
      partitions: [...this.#leases.values()].map(({ owned, member }) => ({
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
    const living = await this.#living(opened);
    const own: number[] = [];
    const others: number[] = [];
    for (let partition = 0; partition < opened.partitions; partition += 1) {
      const lease = this.#leases.get(partition);
      const wanted = preferred(partition, living);
      if (lease !== undefined) {
        if (wanted !== lease.member.id) this.#drain(lease);
        else if (lease.owned.drainUntil !== undefined && lease.owned.pending > 0) this.#undrain(lease);
      } else if (wanted !== undefined && this.#members.has(wanted)) own.push(partition);
      else others.push(partition);
    }
    const { times } = this.#options;
    await this.#take(opened, own, living, 0);
    // Whoever should have it does not take it: better somebody than nobody.
    await this.#take(opened, others, this.#members.keys(), 2 * times.termMs);
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
    const era = this.#options.era(epoch);
    if (era === undefined || this.#ended) return undefined;
    const opened = { id, era, partitions };
    if (offsetMode === 'literal' && this.#start === 'largest' && !created) {
      const joined = await era.redis.join(id, this.#options.edge, [...this.#members.keys()]);
      if (joined !== 'full' && joined.count === joined.added) await store.open(tenant, name, 'largest', true);
      for (const member of this.#members.values()) member.listed = joined !== 'full';
      this.#announce();
    }
    // Its life in Redis begins with a heartbeat: who reads the members before it came would take us for dead.
    await era.redis.beat(this.#options.edge, this.#options.times.aliveMs);
    this.#opened = opened;
    return opened;
  }

  /** Lists our members, again if Redis forgot them. */
  async #list({ id, era }: Opened): Promise<boolean> {
    const { edge } = this.#options;
    const members = [...this.#members.values()];
    if (members.length === 0) return false;
    const joined = await era.redis.join(
      id,
      edge,
      members.map((member) => member.id),
    );
    if (joined !== 'full') {
      for (const member of members) member.listed = true;
      const gone = members.filter(({ ended }) => ended).map((member) => member.id);
      await era.redis.leave(id, gone);
      if (joined.added > 0) this.#announce();
      return true;
    }
    for (const member of members.filter(({ listed }) => !listed)) {
      this.#members.delete(member.id);
      this.#tellLost(member, { code: 'limited', detail: 'the group has as many members as it may have' });
    }
    if (this.#members.size === 0) this.#finish();
    else this.#retry();
    return false;
  }

  /** Members of edges that are alive; those of dead ones are taken off the list. */
  async #living({ id, era }: Opened): Promise<string[]> {
    const { edge } = this.#options;
    const members = await era.redis.members(id);
    const others = [...new Set(members.values())].filter((other) => other !== edge);
    const alive = await era.redis.alive(others);
    const living: string[] = [];
    const dead: string[] = [];
    for (const [member, of] of members) {
      if (of === edge ? this.#members.has(member) : alive.has(of)) living.push(member);
      else dead.push(member);
    }
    await era.redis.leave(id, dead);
    return living;
  }

  // ---- leases

  /** Takes partitions, each for the one of `candidates` that should have it. */
  async #take(opened: Opened, partitions: readonly number[], candidates: Iterable<string>, freeForMs: number): Promise<void> {
    const { now, times } = this.#options;
    const members = [...candidates];
    const byMember = new Map<Member, number[]>();
    for (const partition of partitions) {
      const member = this.#members.get(preferred(partition, members) ?? '');
      if (member === undefined || member.ended) continue;
      const wanted = byMember.get(member);
      if (wanted === undefined) byMember.set(member, [partition]);
      else wanted.push(partition);
    }
    for (const [member, wanted] of byMember) {
      let asked = wanted.map((partition) => ({ partition, above: 0 }));
      for (let attempt = 0; attempt < CLAIM_ATTEMPTS && asked.length > 0; attempt += 1) {
        const sentAt = now();
        const answers = await opened.era.redis.take(opened.id, member.id, times.termMs, freeForMs, asked);
        const taken: { partition: number; fence: number; position: number }[] = [];
        for (const answer of answers) {
          if (answer.is === 'taken') taken.push(answer);
          else if (freeForMs === 0) this.#retry();
        }
        if (taken.length === 0) break;
        asked = await this.#claim(opened, member, taken, sentAt + times.termMs - times.marginMs);
      }
    }
  }

  /** Puts the new fences in force, so that no older owner moves a position; then owns. Returns those whose fence has to be higher. */
  async #claim(
    opened: Opened,
    member: Member,
    taken: readonly { readonly partition: number; readonly fence: number; readonly position: number }[],
    actUntil: number,
  ): Promise<{ partition: number; above: number }[]> {
    const { store, stats } = this.#options;
    const outcome = await store.claim(
      opened.era.epoch,
      opened.id,
      taken.map(({ partition, fence }) => ({ partition, fence })),
    );
    if (!outcome.ok) {
      stats.storeFailures += 1;
      if (outcome.failure.code === 'lost') this.lose(outcome.failure);
      else if (outcome.failure.code === 'not-found') {
        // It expired while nobody was there: the next look makes it anew.
        this.#opened = undefined;
        this.#confirmed.clear();
        this.#retry();
      } else this.#retry();
      return [];
    }
    const higher: { partition: number; above: number }[] = [];
    for (const claim of outcome.value.claims) {
      const copy = taken.find(({ partition }) => partition === claim.partition);
      if (copy === undefined) continue;
      if (!claim.taken) {
        higher.push({ partition: claim.partition, above: claim.fence });
        continue;
      }
      const position = Math.max(claim.position, copy.position, this.#confirmed.get(claim.partition) ?? 0);
      if (this.#ended || this.#opened !== opened) return [];
      this.#own(opened, member, { partition: claim.partition, fence: claim.fence, position }, actUntil);
    }
    return higher;
  }

  #own(opened: Opened, member: Member, held: Held, actUntil: number): void {
    const { tenant, stats, now, times } = this.#options;
    const { partition, fence, position } = held;
    const { reader, tails } = opened.era;
    const owned: Owned = new Owned({
      partition,
      tenant,
      fence,
      position,
      window: member.window,
      mayGive: () => !member.ended && this.#leases.get(partition)?.owned === owned && now() < lease.actUntil,
      readTail: (after, limit) => tails.read(partition, after, limit),
      readPage: (after, limit) => reader.read(partition, after, limit),
      give: (changes, took) => {
        stats.given += changes.length;
        member.handler.batch(changes, took);
      },
      room: () => {
        this.#confirmed.set(partition, Math.max(this.#confirmed.get(partition) ?? 0, owned.position));
        if (owned.drainUntil !== undefined && owned.pending === 0) void this.#release([lease]);
        else for (const other of member.owned.values()) other.pump();
      },
      failed: (failure) => {
        if (failure.code === 'lost') void this.#gap(lease);
      },
    });
    const lease: Lease = { owned, member, actUntil, unfollow: tails.follow(partition, () => owned.pump()) };
    if (member.ended) {
      // It went while we asked.
      lease.unfollow();
      void this.#giveBack(opened, [{ partition, fence, position }]);
      return;
    }
    this.#leases.set(partition, lease);
    member.owned.set(partition, owned);
    stats.taken += 1;
    if (this.#renewAt === Number.NEGATIVE_INFINITY) this.#renewAt = now() + times.renewMs;
    owned.pump();
  }

  async #renew(): Promise<void> {
    const { now, times, stats } = this.#options;
    const opened = this.#opened;
    if (opened === undefined) return;
    this.#renewing = true;
    this.#renewAt = now() + times.renewMs;
    const leases = [...this.#leases.values()];
    const sentAt = now();
    try {
      const fenced = new Set(await opened.era.redis.hold(opened.id, 'renew', times.termMs, leases.map(heldBy)));
      for (const lease of leases) {
        if (this.#leases.get(lease.owned.partition) !== lease) continue;
        if (fenced.has(lease.owned.partition)) this.fenced(lease.owned.partition);
        else {
          lease.actUntil = sentAt + times.termMs - times.marginMs;
          lease.owned.pump();
        }
      }
    } catch {
      stats.redisFailures += 1;
      // Sooner than usual: the lease runs out.
      this.#renewAt = now() + times.retryMs;
    }
    this.#renewing = false;
  }

  /** Keeps the working copy in Redis close to what was confirmed, so that a successor repeats little. */
  async #save(now: number): Promise<void> {
    const opened = this.#opened;
    const moved = [...this.#leases.values()].filter(({ owned }) => owned.position > owned.saved);
    if (opened === undefined || moved.length === 0) return;
    this.#saving = true;
    this.#saveAt = now;
    const held = moved.map(heldBy);
    try {
      const fenced = await opened.era.redis.hold(opened.id, 'save', 0, held);
      for (const [at, { owned }] of moved.entries()) owned.saved = Math.max(owned.saved, held[at]?.position ?? -1);
      for (const partition of fenced) if (moved.includes(this.#leases.get(partition) as Lease)) this.fenced(partition);
    } catch {
      this.#options.stats.redisFailures += 1;
    }
    this.#saving = false;
  }

  // ---- handing over

  #drain(lease: Lease): void {
    const { now, times } = this.#options;
    if (lease.owned.drainUntil !== undefined) return;
    lease.owned.drainUntil = now() + times.drainMs;
    if (lease.owned.pending === 0) void this.#release([lease]);
  }

  /** The member it would have gone to is gone again. */
  #undrain(lease: Lease): void {
    lease.owned.drainUntil = undefined;
    lease.owned.pump();
  }

  #drainOver(lease: Lease): void {
    this.#options.stats.drainTimeouts += 1;
    const { member } = lease;
    void this.#leave(member);
    this.#tellLost(member, { code: 'busy', detail: 'what was sent was not confirmed in time' });
  }

  /** A position that the journal no longer has: the group goes on at the oldest change there is, and its client is told. */
  async #gap(lease: Lease): Promise<void> {
    const { store, stats, note } = this.#options;
    const opened = this.#opened;
    const position = await store.position();
    if (!position.ok || opened === undefined || this.#leases.get(lease.owned.partition) !== lease) return;
    if (position.value.epoch !== opened.era.epoch) {
      this.lose({ code: 'lost', detail: 'another history has begun' });
      return;
    }
    if (lease.owned.position + 1 >= position.value.oldest) return;
    stats.gaps += 1;
    note('a consumer group was away for longer than the journal keeps changes: it goes on at the oldest one');
    for (const other of this.#leases.values()) other.owned.position = Math.max(other.owned.position, position.value.oldest - 1);
    const { member } = lease;
    const gone = this.#leave(member);
    this.#tellLost(member, { code: 'lost', detail: 'events are missing: they are older than what is kept' });
    await gone;
  }

  /** Commits and gives back. The next owner is told when all of it is done. */
  async #release(leases: readonly Lease[]): Promise<void> {
    const opened = this.#opened;
    const { stats } = this.#options;
    const held: Held[] = [];
    for (const lease of leases) {
      if (this.#leases.get(lease.owned.partition) !== lease) continue;
      held.push(heldBy(lease));
      this.#drop(lease);
    }
    if (opened === undefined || held.length === 0) return;
    stats.released += held.length;
    await this.#giveBack(opened, held);
  }

  async #giveBack(opened: Opened, held: readonly Held[]): Promise<void> {
    const { store, stats } = this.#options;
    const positions = held.map(({ partition, fence, position }) => ({ group: opened.id, partition, fence, position }));
    const committed = await store.commit(opened.era.epoch, positions, []);
    if (!committed.ok) stats.commitFailures += 1;
    try {
      await opened.era.redis.hold(opened.id, 'release', 0, held);
    } catch {
      stats.redisFailures += 1;
    }
    this.#announce();
    if (!this.#ended) this.#soon();
  }

  #drop(lease: Lease): void {
    const { owned, member } = lease;
    this.#confirmed.set(owned.partition, Math.max(this.#confirmed.get(owned.partition) ?? 0, owned.position));
    this.#leases.delete(owned.partition);
    member.owned.delete(owned.partition);
    lease.unfollow();
    this.#options.stats.unconfirmed += owned.end();
  }

  async #leave(member: Member): Promise<void> {
    if (member.ended) return;
    member.ended = true;
    const { stats } = this.#options;
    stats.left += 1;
    const opened = this.#opened;
    this.#members.delete(member.id);
    const releasing = this.#release([...this.#leases.values()].filter((lease) => lease.member === member));
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

  #tellLost(member: Member, failure: Failure): void {
    member.ended = true;
    member.handler.lost(failure);
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

const heldBy = ({ owned: { partition, fence, position } }: Lease): Held => ({ partition, fence, position });
