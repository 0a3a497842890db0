/**
 * Consumer groups of several edges in one process: real machines, models of Redis and of the store, clients that confirm late, and faults drawn from a
 * seed. Every delivery and every position is judged when it happens.
 */
import { type EdgeSurroundings, GroupsEdge } from './groups-edge.ts';
import { GroupJudge } from './groups-judge.ts';
import { GroupServers, type PlantedBug } from './groups-servers.ts';
import { PositionStoreModel } from './position-store-model.ts';
import { RedisGroupsModel } from './redis-groups-model.ts';
import { Chance, VirtualTime } from './virtual-time.ts';

export interface GroupsHistory {
  readonly seed: number;
  readonly events: number;
  readonly bug?: PlantedBug;
}

/** The result of a history: its problem, if any, and its counts. */
export interface ObservedDelivery {
  readonly problem: string | undefined;
  readonly timeline: readonly string[];
  readonly events: number;
  readonly faults: number;
  readonly given: number;
  readonly repeats: number;
}

const PARTITIONS = 4;
const GROUPS = ['one', 'two'];
const KEPT_LINES = 400;
/** After the last fault, everything must be delivered within this time. */
const PROGRESS_MS = 30_000;

export class GroupsWorld implements EdgeSurroundings {
  readonly time = new VirtualTime();
  readonly chance: Chance;
  readonly servers: GroupServers;
  readonly store: PositionStoreModel;
  readonly judge: GroupJudge;
  readonly #history: GroupsHistory;
  readonly #redis: RedisGroupsModel;
  readonly #edges: GroupsEdge[] = [];
  readonly #timeline: string[] = [];
  /** Restore Redis to its state up to a second ago, and half a second ago. */
  #secondAgo: () => void = () => {};
  #halfAgo: () => void = () => {};
  #storeAwayUntil = 0;
  #count = 0;
  #faults = 0;
  #events = 0;

  constructor(history: GroupsHistory) {
    this.#history = history;
    this.chance = new Chance(history.seed);
    this.#redis = new RedisGroupsModel(() => Math.floor(this.time.now));
    this.store = new PositionStoreModel(PARTITIONS);
    this.servers = new GroupServers(this.#redis, this.store, this.chance, history.bug);
    this.judge = new GroupJudge(PARTITIONS, (group, partition) => this.store.positionOf(group, partition));
  }

  get bug(): PlantedBug | undefined {
    return this.#history.bug;
  }

  get storeAwayUntil(): number {
    return this.#storeAwayUntil;
  }

  get hasFailed(): boolean {
    return this.#faults > 0;
  }

  note(line: string): void {
    this.#timeline.push(`${Math.floor(this.time.now)} ms: ${line}`);
    if (this.#timeline.length > KEPT_LINES) this.#timeline.shift();
  }

  notify(from: GroupsEdge, group: string): void {
    for (const other of this.#living) if (other !== from && other.listensTo(group) && !this.chance.percent(5)) other.notified(group);
  }

  run(): ObservedDelivery {
    this.#copyRedis();
    for (let count = 0; count < 2; count += 1) this.#startEdge();
    for (const group of GROUPS) this.#join(group);
    for (let event = 0; event < this.#history.events && this.judge.problem === undefined; event += 1) {
      this.#something();
      this.#events += this.time.run(this.chance.of([0, 5, 30, 200, 1500]) ?? 0);
      this.judge.positions(GROUPS);
    }
    if (this.judge.problem === undefined) this.#settle();
    return {
      problem: this.judge.problem,
      timeline: this.#timeline,
      events: this.#events + this.#history.events,
      faults: this.#faults,
      given: this.judge.given,
      repeats: this.judge.repeats,
    };
  }

  /** Ends all faults; then everything must reach somebody, and positions must follow. */
  #settle(): void {
    this.#storeAwayUntil = 0;
    for (const edge of this.#edges) {
      edge.redisAwayUntil = 0;
      for (const member of edge.members) edge.confirmAfter(member, 10);
    }
    if (this.#living.length === 0) this.#startEdge();
    this.#comeBack();
    const until = Math.max(this.time.now, ...this.#edges.map(({ frozenUntil }) => frozenUntil)) + PROGRESS_MS;
    const seqs = Array.from({ length: PARTITIONS }, (_, partition) => this.store.seqsOf(partition));
    let missing: string | undefined = 'everything';
    while (missing !== undefined && this.time.now < until && this.judge.problem === undefined) {
      this.#events += this.time.run(500);
      this.judge.positions(GROUPS);
      missing = this.judge.missing(GROUPS, seqs);
      // A member may have been closed for its silence before faults stopped.
      this.#comeBack();
    }
    if (missing !== undefined) this.judge.wrong(`no progress: ${missing}`);
  }

  /** Clients of groups that nobody is a member of come back. */
  #comeBack(): void {
    for (const group of GROUPS) if (!this.#living.some((edge) => edge.serves(group))) this.#join(group);
  }

  // ---- what happens

  get #living(): GroupsEdge[] {
    return this.#edges.filter(({ isDead }) => !isDead);
  }

  #something(): void {
    const { chance } = this;
    const pick = chance.below(100);
    if (pick < 45) this.#write();
    else if (pick < 60) this.#join(chance.of(GROUPS) ?? '');
    else if (pick < 68) this.#someMember((edge, member) => edge.leave(member));
    else if (pick < 74) this.#slowDown();
    else if (pick < 78 && this.#living.length < 4) this.#startEdge();
    else if (pick < 83) this.#kill();
    else if (pick < 87) this.#freeze();
    else if (pick < 91) this.#cutRedis();
    else if (pick < 94) this.#loseStore();
    else if (pick < 97) this.#fault('Redis is wiped', 0, () => this.#redisIsBack(() => this.#redis.wipe()));
    else this.#fault('Redis loses its last second', 0, () => this.#redisIsBack(() => this.#secondAgo()));
  }

  #fault(line: string, ms: number, happen: () => void): void {
    this.note(ms === 0 ? line : `${line} for ${ms} ms`);
    this.#faults += 1;
    this.judge.fault(this.time.now, this.time.now + ms);
    happen();
  }

  #write(): void {
    const many = this.chance.percent(10) ? 200 : 1 + this.chance.below(6);
    const partition = this.chance.below(PARTITIONS);
    for (let left = many; left > 0; left -= 1) this.store.write(this.chance.percent(70) ? partition : this.chance.below(PARTITIONS));
    this.note(`${many} changes, up to ${this.store.seq}`);
    for (const edge of this.#living) edge.later(1 + this.chance.below(20), () => edge.announce());
  }

  #startEdge(): void {
    this.#count += 1;
    const edge = new GroupsEdge(this, `edge${this.#count}`);
    this.#edges.push(edge);
    this.note(`${edge.name} starts`);
  }

  #join(group: string): void {
    const edge = this.chance.of(this.#living);
    if (edge === undefined) return;
    this.#count += 1;
    edge.join(`${edge.name}.${this.#count}`, group);
  }

  #someMember(happen: (edge: GroupsEdge, member: string) => void): void {
    const edge = this.chance.of(this.#living.filter(({ members }) => members.length > 0));
    const member = edge === undefined ? undefined : this.chance.of(edge.members);
    if (edge !== undefined && member !== undefined) happen(edge, member);
  }

  /** A client stops to confirm, or confirms slowly, or again. */
  #slowDown(): void {
    this.#someMember((edge, member) => {
      const ms = this.chance.of([undefined, 10, 700, 4000]);
      this.note(`${member} confirms after ${ms ?? 'never'} ms`);
      edge.confirmAfter(member, ms);
    });
  }

  #kill(): void {
    const edge = this.chance.of(this.#living);
    if (edge !== undefined && this.#living.length > 1) this.#fault(`${edge.name} is killed`, 0, () => edge.kill());
  }

  #freeze(): void {
    const edge = this.chance.of(this.#living);
    const ms = this.chance.below(12_000);
    if (edge !== undefined) this.#fault(`${edge.name} stands still`, ms, () => edge.freeze(ms));
  }

  #cutRedis(): void {
    const edge = this.chance.of(this.#living);
    if (edge === undefined) return;
    const ms = this.chance.below(9000);
    this.#fault(`${edge.name} cannot reach Redis`, ms, () => {
      edge.redisAwayUntil = Math.max(edge.redisAwayUntil, this.time.now + ms);
      edge.later(ms, () => edge.handle({ kind: 'reconnected' }));
    });
  }

  #loseStore(): void {
    const ms = this.chance.below(4000);
    this.#fault('the store does not answer', ms, () => {
      this.#storeAwayUntil = Math.max(this.#storeAwayUntil, this.time.now + ms);
    });
  }

  #copyRedis(): void {
    this.#secondAgo = this.#halfAgo;
    this.#halfAgo = this.#redis.copy();
    this.time.after(500, () => this.#copyRedis());
  }

  #redisIsBack(change: () => void): void {
    change();
    for (const edge of this.#living) edge.later(this.chance.below(100), () => edge.handle({ kind: 'reconnected' }));
  }
}
