/** What the system promises (docs/architecture.md), looked at whenever something is committed, published, given, confirmed or stored. */
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

/** The attribute by which a write is known again. */
export const TOKEN = '/token';
/** Properties of Saga have it as their value. */
const tokenOf = (state: Element | undefined): unknown => state?.attributes[TOKEN] ?? state?.attributes.value;
/** So long after a failover at most another epoch is in force. */
const UNDECIDED_MS = 20_000;
/** After a failover the row of the lease is an older one for so long. */
const FAILOVER_MS = 15_000;

export class Judge {
  /** What was found wrong first, as a sentence. */
  problem: string | undefined;
  readonly counts = { committed: 0, published: 0, shown: 0, given: 0, windows: 0, acknowledged: 0, recovered: 0, bridged: 0 };
  readonly #time: VirtualTime;
  readonly #database: DatabaseModel;
  readonly #positions: PositionsModel;
  readonly #groups: GroupJudge;
  /** Of one tenant; those of a tenant that was moved are not looked at by seq any more. */
  #groupNames: readonly string[];
  readonly #groupTenant: string;
  readonly #journal: string;
  readonly #moving: MovingGroups | undefined;
  /** By group: seqs that have reached one of its clients. */
  readonly #received = new Map<string, Set<number>>();
  #partitions: number[] = [];
  readonly #committedAt: number[] = [];
  #seqs: number[][] = [];
  /** States by element, to fold what comes onto. */
  readonly #states = new Map<string, Element>();
  /** How often a write took effect, by its token. */
  readonly #effects = new Map<string, number>();
  readonly #tops = new Map<string, number>();
  #published = 0;
  #failedOverAt = Number.NEGATIVE_INFINITY;
  /** Writes that took effect in any history. */
  readonly #ever = new Set<string>();
  /** What groups are given is judged as long as nothing that was given is undone. */
  #isFirstHistory = true;
  #epochBeganAt = 0;
  /** Another copy of the database took over, and no epoch was begun for it yet: what is told may be of either. */
  #isUndecided = false;

  /**
   * @param groups those whose positions are here, all of one tenant
   * @param moving those of a tenant that is here at some times
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

  /** On the virtual clock. Groups may pass over what was committed between a failover and the epoch that it makes. */
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

  /** When a change was committed, on the virtual clock. */
  committedAt(seq: number): number {
    return this.#committedAt[seq] ?? 0;
  }

  /** A tenant is in another journal from now on: what it wrote counts there, and its groups go on there. */
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

  /** A client was told that its write took effect. */
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

  /** What a tenant left behind when it was moved has no contents any more. */
  #isJournaled(change: FullChange): boolean {
    const journaled = this.#database.journal[change.seq - 1];
    return change === journaled || (journaled?.scope === 'system' && journaled.id === change.id) || isDeepStrictEqual(change, journaled);
  }

  /** Another copy of the database goes on: what it does not have never was. */
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
    // As it is done with the epoch: owners of the other history may have stored something since it ended.
    this.#positions.restore(this.#database.seq);
    // Nobody begins in it before what is there now.
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

  /** A change has reached a client of a group. */
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

  /** What groups have not confirmed or stored yet; undefined when all is done. */
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
