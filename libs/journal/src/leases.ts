/**
 * The partitions of a group that members of this edge own. A partition is owned from the moment its fence is in force in the store until it
 * is dropped; meanwhile its lease in Redis is renewed, and decides whether anything may be given.
 */
import type { Failure } from '@polyedge/contracts/errors';
import type { Opened } from './era.ts';
import type { GroupMembers, Member } from './group-members.ts';
import type { GroupStore } from './group-port.ts';
import type { Held } from './group-redis.ts';
import type { GroupStats, GroupTimes } from './group-settings.ts';
import { Owned } from './owned.ts';
import { heldBy, type Positions } from './positions.ts';
import { preferred } from './rendezvous.ts';

export interface LeasesOptions {
  readonly tenant: string;
  readonly store: GroupStore;
  readonly members: GroupMembers;
  readonly positions: Positions;
  readonly times: GroupTimes;
  readonly stats: GroupStats;
  now(): number;
  /** Whether the group is still what it was when a question was asked. */
  isOpen(opened: Opened): boolean;
  /** What could not be taken is to be tried again. */
  retry(): void;
  /** The store could not put fences in force. */
  refused(failure: Failure): void;
  /** Nothing is under way any more in a partition that is handed over. */
  drained(lease: Lease): void;
  /** Others may take what was given back. */
  freed(): void;
  /** The journal no longer has what comes next in a partition. */
  gap(lease: Lease): void;
}

export interface Lease {
  readonly owned: Owned;
  readonly member: Member;
  readonly unfollow: () => void;
  /** Until when it may be used, on our own clock. */
  actUntil: number;
}

/** How often a fence is raised to get over one that the store remembers and Redis forgot. */
const CLAIM_ATTEMPTS = 3;

export class Leases {
  readonly #options: LeasesOptions;
  readonly #leases = new Map<number, Lease>();
  #renewing = false;
  #renewAt = Number.NEGATIVE_INFINITY;

  constructor(options: LeasesOptions) {
    this.#options = options;
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

  owned(): Owned[] {
    return this.all().map(({ owned }) => owned);
  }

  /** Whether it is still in use here. */
  has(lease: Lease): boolean {
    return this.#leases.get(lease.owned.partition) === lease;
  }

  /**
   * Takes partitions, each for the one of `candidates` that should have it, if that one is a member here. Fails when Redis does.
   *
   * @param freeForMs only those whose lease has been free for so long
   */
  async take(opened: Opened, partitions: readonly number[], candidates: readonly string[], freeForMs: number): Promise<void> {
    const { now, times, members, retry } = this.#options;
    const byMember = new Map<Member, number[]>();
    for (const partition of partitions) {
      const member = members.get(preferred(partition, candidates) ?? '');
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
        const taken: Held[] = [];
        for (const answer of answers) {
          if (answer.is === 'taken') taken.push(answer);
          else if (freeForMs === 0) retry();
        }
        if (taken.length === 0) break;
        asked = await this.#claim(opened, member, taken, sentAt + times.termMs - times.marginMs);
      }
    }
  }

  /** Prolongs all of them when it is time. */
  async renew(opened: Opened, now: number): Promise<readonly Lease[]> {
    const { times, stats } = this.#options;
    if (this.#renewing || now < this.#renewAt) return [];
    this.#renewing = true;
    this.#renewAt = now + times.renewMs;
    const leases = this.all();
    try {
      const fenced = new Set(await opened.era.redis.hold(opened.id, 'renew', times.termMs, leases.map(held)));
      const kept = leases.filter((lease) => this.has(lease));
      for (const lease of kept) {
        if (fenced.has(lease.owned.partition)) continue;
        lease.actUntil = now + times.termMs - times.marginMs;
        lease.owned.pump();
      }
      return kept.filter(({ owned }) => fenced.has(owned.partition));
    } catch {
      stats.redisFailures += 1;
      // Sooner than usual: the lease runs out.
      this.#renewAt = this.#options.now() + times.retryMs;
      return [];
    } finally {
      this.#renewing = false;
    }
  }

  renewSoon(): void {
    if (this.#leases.size > 0) this.#renewAt = 0;
  }

  /** Gives no more of a partition, so that it can be handed over. */
  drain(lease: Lease): void {
    const { now, times, drained } = this.#options;
    if (lease.owned.drainUntil !== undefined) return;
    lease.owned.drainUntil = now() + times.drainMs;
    if (lease.owned.pending === 0) drained(lease);
  }

  /** The member it would have gone to is gone again. */
  undrain({ owned }: Lease): void {
    owned.drainUntil = undefined;
    owned.pump();
  }

  /** Ends the use of a partition here. What was not confirmed is for the next owner. */
  drop(lease: Lease): void {
    const { owned, member, unfollow } = lease;
    this.#options.positions.reached(owned);
    this.#leases.delete(owned.partition);
    member.owned.delete(owned.partition);
    unfollow();
    this.#options.stats.unconfirmed += owned.end();
  }

  /** Drops those that are in use, commits how far they are and gives them back: then others may take them. */
  async release(opened: Opened | undefined, leases: readonly Lease[]): Promise<void> {
    const using = leases.filter((lease) => this.has(lease));
    const given = using.map(held);
    for (const lease of using) this.drop(lease);
    if (opened === undefined || given.length === 0) return;
    this.#options.stats.released += given.length;
    await this.#giveBack(opened, given);
  }

  /** Somebody else owns it by now, or Redis forgot who does: what was confirmed is then still taken by the store, unless a new owner has claimed. */
  fence(opened: Opened, lease: Lease): void {
    const { store, stats } = this.#options;
    stats.fenced += 1;
    this.drop(lease);
    const { position, committed } = lease.owned;
    if (position > committed) void store.commit(opened.era.epoch, [{ group: opened.id, ...held(lease) }], []);
  }

  /** Puts the new fences in force, so that no older owner moves a position; then owns. Returns those whose fence has to be higher. */
  async #claim(
    opened: Opened,
    member: Member,
    taken: readonly Held[],
    actUntil: number,
  ): Promise<{ readonly partition: number; readonly above: number }[]> {
    const { store, stats, positions, refused, isOpen } = this.#options;
    const claims = taken.map(({ partition, fence }) => ({ partition, fence }));
    const outcome = await store.claim(opened.era.epoch, opened.id, claims);
    if (!outcome.ok) {
      stats.storeFailures += 1;
      refused(outcome.failure);
      return [];
    }
    const higher: { partition: number; above: number }[] = [];
    for (const { partition, fence, position: stored, taken: inForce } of outcome.value.claims) {
      const copy = taken.find((one) => one.partition === partition);
      if (copy === undefined) continue;
      if (!inForce) {
        higher.push({ partition, above: fence });
        continue;
      }
      if (!isOpen(opened)) return [];
      const position = Math.max(stored, copy.position, positions.furthest(partition));
      this.#own(opened, member, { partition, fence, position }, actUntil);
    }
    return higher;
  }

  #own(opened: Opened, member: Member, { partition, fence, position }: Held, actUntil: number): void {
    const { tenant, stats, now, times, positions, drained, gap } = this.#options;
    const { reader, tails } = opened.era;
    const owned: Owned = new Owned({
      partition,
      tenant,
      fence,
      position,
      window: member.window,
      mayGive: () => !member.ended && this.has(lease) && now() < lease.actUntil,
      readTail: (after, limit) => tails.read(partition, after, limit),
      readPage: (after, limit) => reader.read(partition, after, limit),
      give: (changes, took) => {
        stats.given += changes.length;
        member.handler.batch(changes, took);
      },
      room: () => {
        positions.reached(owned);
        if (owned.drainUntil !== undefined && owned.pending === 0) drained(lease);
        else for (const other of member.owned.values()) if (other === owned || other.waiting) other.pump();
      },
      failed: (failure) => {
        if (failure.code === 'lost') gap(lease);
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

  async #giveBack(opened: Opened, given: readonly Held[]): Promise<void> {
    const { store, stats } = this.#options;
    const committed = await store.commit(
      opened.era.epoch,
      given.map((one) => ({ group: opened.id, ...one })),
      [],
    );
    if (!committed.ok) stats.commitFailures += 1;
    try {
      await opened.era.redis.hold(opened.id, 'release', 0, given);
    } catch {
      stats.redisFailures += 1;
    }
    this.#options.freed();
  }
}

const held = ({ owned }: Lease): Held => heldBy(owned);
