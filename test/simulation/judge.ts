/** Checks the system's promises (docs/architecture.md) at every commit, publication, delivery, confirmation and stored position. */
import { isDeepStrictEqual } from 'node:util';
import { type FullChange, stateBefore } from '@polyedge/contracts/change';
import type { Element } from '@polyedge/contracts/element';
import type { PositionsModel } from '@polyedge/journal/testing/positions-model';
import { GroupJudge } from '@polyedge/simulation/groups-judge';
import type { VirtualTime } from '@polyedge/simulation/virtual-time';
import { partitionOf, slotOf } from '../../services/graph-store/src/core/slot.ts';
import type { DatabaseModel } from '../../services/graph-store/test/database-model.ts';
import type { MovingGroups } from './moving-groups.ts';
import { GROUP_TYPES, PARTITIONS } from './settings.ts';

/** The attribute that identifies a write. */
export const TOKEN = '/token';
/** In Saga's properties, the value identifies the write. */
const tokenOf = (state: Element | undefined): unknown => state?.attributes[TOKEN] ?? state?.attributes.value;
/** A new epoch is in force at most this long after a failover. */
const UNDECIDED_MS = 20_000;
/** For this long after a failover, the row of the lease may be an older one. */
const FAILOVER_MS = 15_000;

export class Judge {
  /** The first problem, as a sentence. */
  problem: string | undefined;
  readonly counts = { committed: 0, published: 0, shown: 0, given: 0, windows: 0, acknowledged: 0, recovered: 0, bridged: 0 };
  readonly #time: VirtualTime;
  readonly #database: DatabaseModel;
  readonly #positions: PositionsModel;
  readonly #groups: GroupJudge;
  /** The groups of one tenant; once a tenant has moved, its groups are no longer judged by seq. */
  #groupNames: readonly string[];
  readonly #groupTenant: string;
  readonly #journal: string;
  readonly #moving: MovingGroups | undefined;
  /** By group: seqs that one of its clients has received. */
  readonly #received = new Map<string, Set<number>>();
  #partitions: number[] = [];
  readonly #committedAt: number[] = [];
  #seqs: number[][] = [];
  /** States by element, onto which changes are folded. */
  readonly #states = new Map<string, Element>();
  /** By token: how often the write took effect. */
  readonly #effects = new Map<string, number>();
  readonly #tops = new Map<string, number>();
  #published = 0;
  #failedOverAt = Number.NEGATIVE_INFINITY;
  /** Tokens of writes that took effect in any history. */
  readonly #ever = new Set<string>();
  /** Deliveries to groups are judged until a failover undoes something that was delivered. */
  #isFirstHistory = true;
  #epochBeganAt = 0;
  /** A failover has happened, and its epoch has not begun: what is received may be of either history. */
  #isUndecided = false;

  /**
   * @param groups the groups whose positions are stored here, all of one tenant
   * @param moving the groups of the tenant that is sometimes here
   */
  constructor(
    journal: string,
    time: VirtualTime,
    database: DatabaseModel,
    positions: PositionsModel,
    groups: { readonly tenant: string; readonly names: readonly string[] },
    moving: MovingGroups | undefined,
  ) {
    this.#journal = journal;
    this.#moving = moving;
    this.#time = time;
    this.#database = database;
    this.#positions = positions;
    this.#groupNames = groups.names;
    this.#groupTenant = groups.tenant;
    this.#groups = new GroupJudge(PARTITIONS, (group, partition) => positions.positionOf(group, partition));
    this.#seqs = Array.from({ length: PARTITIONS }, () => []);
  }

  wrong(sentence: string): void {
    this.problem ??= sentence;
  }

  fault(from: number, to: number): void {
    this.#groups.fault(from, to);
  }

  get repeats(): number {
    return this.#groups.repeats;
  }

  get isFirstHistory(): boolean {
    return this.#isFirstHistory;
  }

  get isUndecided(): boolean {
    return this.#isUndecided && this.#time.now < this.#failedOverAt + UNDECIDED_MS;
  }

  /** On the virtual clock. Groups may pass over changes committed between a failover and its epoch. */
  get epochBeganAt(): number {
    return this.#epochBeganAt;
  }

  // ---- the store

  committed(changes: readonly FullChange[]): void {
    for (const change of changes) {
      this.counts.committed += 1;
      const { seq, id, tenant, state, undo } = change;
      const key = `${tenant}/${id}`;
      if (seq !== this.#partitions.length + 1) this.wrong(`seq ${seq} was committed after ${this.#partitions.length}`);
      const partition = partitionOf(slotOf(id), PARTITIONS);
      this.#partitions.push(partition);
      this.#committedAt[seq] = this.#time.now;
      if (tenant === this.#groupTenant) this.#seqs[partition]?.push(seq);
      this.#moving?.committed(this.#journal, change);
      const before = this.#states.get(key);
      if (!isDeepStrictEqual(stateBefore(state, undo), before)) this.wrong(`${seq}: what was before it is not what ${id} was`);
      this.#states.set(key, state);
      const token = tokenOf(state);
      if (typeof token !== 'string' || token === tokenOf(before)) continue;
      const effects = (this.#effects.get(token) ?? 0) + 1;
      this.#effects.set(token, effects);
      this.#ever.add(token);
      if (effects > 1) this.wrong(`${token} took effect ${effects} times, at last with seq ${seq}`);
    }
  }

  /** The time of a commit, on the virtual clock. */
  committedAt(seq: number): number {
    return this.#committedAt[seq] ?? 0;
  }

  /** A tenant is in another journal from now on: its writes count there, and its groups continue there. */
  departed(tenant: string, groups: readonly string[]): void {
    for (const change of this.#database.journal) {
      if (change.tenant !== tenant) continue;
      this.#states.delete(`${tenant}/${change.id}`);
      const token = tokenOf(change.state);
      if (typeof token === 'string') this.#effects.delete(token);
    }
    this.#groupNames = this.#groupNames.filter((name) => !groups.includes(name));
  }

  /** Whether a write is in the journal. */
  hasTaken(token: string): boolean {
    return this.#effects.has(token);
  }

  /** A client's write was acknowledged. */
  acknowledged(token: string): void {
    this.counts.acknowledged += 1;
    if (!this.#ever.has(token)) this.wrong(`${token} was acknowledged and is not in the journal`);
  }

  published(holder: string, epoch: string, fence: number, changes: readonly FullChange[]): void {
    const { lease } = this.#database;
    const now = this.#time.now;
    if (now > this.#failedOverAt + FAILOVER_MS) {
      if (lease.holder !== holder || lease.fence !== fence || lease.until < now)
        this.wrong(`${holder} publishes under fence ${fence} without the lease: ${lease.holder} has it under ${lease.fence}`);
      for (const change of changes)
        if (!this.#isJournaled(change)) this.wrong(`${holder} publishes something else as ${change.seq} than was committed`);
    }
    const [first, last] = [changes[0]?.seq, changes.at(-1)?.seq];
    if (first === undefined || last === undefined) return;
    this.counts.published += changes.length;
    const key = `${epoch}/${fence}`;
    const top = this.#tops.get(key);
    if (top === undefined ? first > this.#published + 1 : first !== top + 1)
      this.wrong(`fence ${fence} of ${epoch} goes on with ${first} after ${top ?? this.#published}`);
    this.#tops.set(key, last);
    this.#published = Math.max(this.#published, last);
  }

  /** Whether a change was emptied because its tenant has left. */
  #isJournaled(change: FullChange): boolean {
    const journaled = this.#database.journal[change.seq - 1];
    return change === journaled || (journaled?.scope === 'system' && journaled.id === change.id) || isDeepStrictEqual(change, journaled);
  }

  /** A failover: changes that the new copy of the database lacks are undone. */
  failedOver(): void {
    const { seq } = this.#database;
    this.#failedOverAt = this.#time.now;
    this.#isFirstHistory = false;
    this.#isUndecided = true;
    this.#partitions = this.#partitions.slice(0, seq);
    this.#seqs = this.#seqs.map((seqs) => seqs.filter((one) => one <= seq));
    this.#published = Math.min(this.#published, seq);
    this.#states.clear();
    this.#effects.clear();
    for (const { id, tenant, state } of this.#database.journal) {
      const key = `${tenant}/${id}`;
      const token = tokenOf(state);
      if (typeof token === 'string' && token !== tokenOf(this.#states.get(key))) this.#effects.set(token, 1);
      this.#states.set(key, state);
    }
    this.#positions.restore(seq);
  }

  /** A new epoch was put in force. */
  newEpoch(): void {
    this.#isUndecided = false;
    this.#epochBeganAt = this.#time.now;
    // Again, as with the epoch: owners in the old history may have stored positions since it ended.
    this.#positions.restore(this.#database.seq);
    // Nothing in the new epoch begins before the current position.
    this.#published = this.#database.seq;
  }

  // ---- consumer groups

  partitionOf(seq: number): number {
    return this.#partitions[seq - 1] ?? -1;
  }

  given(group: string, changes: readonly FullChange[]): void {
    this.counts.given += changes.length;
    if (this.#isMoving(group)) this.#moving?.given(group, changes, this.#time.now);
    if (!this.#isJudged(group)) return;
    this.#groups.give(
      group,
      changes.map(({ seq }) => seq),
      (seq) => this.partitionOf(seq),
      this.#time.now,
    );
    this.#take();
  }

  /** A client of a group has received a change. */
  received(group: string, { seq, id, version }: Pick<FullChange, 'seq' | 'id' | 'version'>): void {
    if (this.#isMoving(group)) this.#moving?.received(group, { id, version });
    const received = this.#received.get(group) ?? new Set<number>();
    this.#received.set(group, received.add(seq));
  }

  confirmed(group: string, member: string, changes: readonly FullChange[], inTime: boolean): void {
    if (this.#isMoving(group)) this.#moving?.confirmed(group, changes, this.#time.now, inTime);
    if (!this.#isJudged(group)) return;
    const seqs = changes.map(({ seq }) => seq);
    const received = this.#received.get(group);
    const missing = changes.find(({ seq, type }) => GROUP_TYPES.includes(type) && received?.has(seq) !== true)?.seq;
    if (missing !== undefined) this.wrong(`${group}: ${missing} counts as confirmed by ${member}, and no client was shown it`);
    this.#groups.confirm(group, seqs, (seq) => this.partitionOf(seq), this.#time.now, inTime);
  }

  positions(): void {
    if (!this.#isFirstHistory) return;
    this.#groups.positions(this.#groupNames);
    this.#take();
  }

  /** The first change that a group has not confirmed or stored; undefined if there is none. */
  missingInGroups(): string | undefined {
    return this.#isFirstHistory ? this.#groups.missing(this.#groupNames, this.#seqs) : undefined;
  }

  #isJudged(group: string): boolean {
    return this.#isFirstHistory && this.#groupNames.includes(group);
  }

  #isMoving(group: string): boolean {
    return this.#moving?.names.includes(group) === true;
  }

  #take(): void {
    if (this.#groups.problem !== undefined) this.wrong(this.#groups.problem);
  }
}
