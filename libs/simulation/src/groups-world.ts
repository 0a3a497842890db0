/**
 * Consumer groups of several edges in one process: real machines, models of Redis and of the store, clients that confirm late, and faults from
 * a seed. Every delivery and every position is judged when it happens.
 */
import type { FullChange } from '@polyedge/contracts/change';
import { failed, type Outcome } from '@polyedge/contracts/errors';
import { GroupsMachine } from '@polyedge/journal/groups/machine';
import type { GroupCall, GroupsEffect, GroupsInput } from '@polyedge/journal/groups/messages';
import { GROUP_TIMES } from '@polyedge/journal/groups/settings';
import { GroupJudge } from './groups-judge.ts';
import { GroupServers, isOfRedis, type PlantedBug } from './groups-servers.ts';
import { PositionStoreModel } from './position-store-model.ts';
import { RedisGroupsModel } from './redis-groups-model.ts';
import { Chance, VirtualTime } from './virtual-time.ts';

export interface GroupsHistory {
  readonly seed: number;
  readonly events: number;
  readonly bug?: PlantedBug;
}

/** How a history went: what was wrong with it, and what it was made of. */
export interface Told {
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
/** Who does not confirm for so long is closed by its driver. */
const SILENT_MS = 10_000;
/** When faults stop, everything is delivered within this time. */
const PROGRESS_MS = 30_000;

interface Member {
  readonly name: string;
  readonly group: string;
  /** How long its client takes to confirm; undefined: it does not, and is closed for it in the end. */
  confirmMs: number | undefined;
  /** What it did not confirm while it was silent: a client confirms in order. */
  readonly unconfirmed: (() => void)[];
  /** When the last of what is on its way is confirmed. */
  confirmsAt: number;
  gone: boolean;
}

interface Edge {
  readonly name: string;
  readonly machine: GroupsMachine;
  readonly members: Map<string, Member>;
  readonly listening: Map<string, string>;
  dead: boolean;
  /** Messages of its process stand still until then. */
  frozenUntil: number;
  redisAwayUntil: number;
  wakes: number;
}

export class GroupsWorld {
  readonly #history: GroupsHistory;
  readonly #chance: Chance;
  readonly #time = new VirtualTime();
  readonly #redis: RedisGroupsModel;
  readonly #servers: GroupServers;
  readonly #store: PositionStoreModel;
  readonly #judge: GroupJudge;
  readonly #edges: Edge[] = [];
  readonly #timeline: string[] = [];
  /** Makes Redis what it was up to a second ago, and half a second ago. */
  #secondAgo: () => void = () => {};
  #halfAgo: () => void = () => {};
  #storeAwayUntil = 0;
  #count = 0;
  #faults = 0;
  #events = 0;

  constructor(history: GroupsHistory) {
    this.#history = history;
    this.#chance = new Chance(history.seed);
    this.#redis = new RedisGroupsModel(() => Math.floor(this.#time.now));
    this.#store = new PositionStoreModel(PARTITIONS);
    this.#servers = new GroupServers(this.#redis, this.#store, this.#chance, history.bug);
    this.#judge = new GroupJudge(PARTITIONS, (group, partition) => this.#store.positionOf(group, partition));
  }

  run(): Told {
    this.#copyRedis();
    for (let count = 0; count < 2; count += 1) this.#startEdge();
    for (const group of GROUPS) this.#join(group);
    for (let event = 0; event < this.#history.events && this.#judge.problem === undefined; event += 1) {
      this.#something();
      this.#events += this.#time.run(this.#chance.of([0, 5, 30, 200, 1500]) ?? 0);
      this.#judge.positions(GROUPS);
    }
    if (this.#judge.problem === undefined) this.#settle();
    return {
      problem: this.#judge.problem,
      timeline: this.#timeline,
      events: this.#events + this.#history.events,
      faults: this.#faults,
      given: this.#judge.given,
      repeats: this.#judge.repeats,
    };
  }

  /** Faults stop; then everything has to reach somebody, and positions have to follow. */
  #settle(): void {
    this.#storeAwayUntil = 0;
    for (const edge of this.#edges) {
      edge.redisAwayUntil = 0;
      for (const member of edge.members.values()) this.#confirmAfter(edge, member, 10);
    }
    if (this.#living.length === 0) this.#startEdge();
    for (const group of GROUPS)
      if (!this.#living.some((edge) => [...edge.members.values()].some((one) => one.group === group))) this.#join(group);
    const until = Math.max(this.#time.now, ...this.#edges.map(({ frozenUntil }) => frozenUntil)) + PROGRESS_MS;
    const seqs = Array.from({ length: PARTITIONS }, (_, partition) => this.#store.seqsOf(partition));
    let missing: string | undefined = 'everything';
    while (missing !== undefined && this.#time.now < until && this.#judge.problem === undefined) {
      this.#events += this.#time.run(500);
      this.#judge.positions(GROUPS);
      missing = this.#judge.missing(GROUPS, seqs);
      // A member may have been closed for its silence before faults stopped: its client comes back.
      for (const group of GROUPS)
        if (!this.#living.some((edge) => [...edge.members.values()].some((one) => one.group === group))) this.#join(group);
    }
    if (missing !== undefined) this.#judge.wrong(`no progress: ${missing}`);
  }

  // ---- what happens

  get #living(): Edge[] {
    return this.#edges.filter(({ dead }) => !dead);
  }

  #something(): void {
    const chance = this.#chance;
    const pick = chance.below(100);
    if (pick < 45) this.#write();
    else if (pick < 60) this.#join(chance.of(GROUPS) ?? '');
    else if (pick < 68) this.#leave();
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
    this.#note(ms === 0 ? line : `${line} for ${ms} ms`);
    this.#faults += 1;
    this.#judge.fault(this.#time.now, this.#time.now + ms);
    happen();
  }

  #write(): void {
    const many = this.#chance.percent(10) ? 200 : 1 + this.#chance.below(6);
    const partition = this.#chance.below(PARTITIONS);
    for (let left = many; left > 0; left -= 1) this.#store.write(this.#chance.percent(70) ? partition : this.#chance.below(PARTITIONS));
    this.#note(`${many} changes, up to ${this.#store.seq}`);
    for (const edge of this.#living) this.#later(edge, 1 + this.#chance.below(20), () => this.#announce(edge));
  }

  #announce(edge: Edge): void {
    this.#handle(edge, { kind: 'announced', epoch: this.#store.epoch, seq: this.#store.seq });
  }

  #startEdge(): void {
    this.#count += 1;
    const name = `edge${this.#count}`;
    const times = GROUP_TIMES;
    const machine = new GroupsMachine({ edge: name, times, offsetMode: 'kafka' });
    const edge: Edge = {
      name,
      machine,
      members: new Map(),
      listening: new Map(),
      dead: false,
      frozenUntil: 0,
      redisAwayUntil: 0,
      wakes: 0,
    };
    this.#edges.push(edge);
    this.#note(`${name} starts`);
    // Heads come at least every second.
    const head = (): void => {
      this.#announce(edge);
      this.#later(edge, 1000, head);
    };
    head();
    const tick = (): void => {
      if (edge.dead) return;
      if (this.#history.bug !== 'no-tick' || this.#chance.percent(1)) this.#handle(edge, { kind: 'tick' });
      this.#later(edge, times.tickMs, tick);
    };
    this.#later(edge, this.#chance.below(times.tickMs), tick);
  }

  #join(group: string): void {
    const edge = this.#chance.of(this.#living);
    if (edge === undefined) return;
    this.#count += 1;
    const member: Member = {
      name: `${edge.name}.${this.#count}`,
      group,
      confirmMs: this.#chance.below(60),
      unconfirmed: [],
      confirmsAt: 0,
      gone: false,
    };
    edge.members.set(member.name, member);
    this.#note(`${member.name} joins ${group}`);
    this.#handle(edge, { kind: 'join', member: member.name, tenant: 't', name: group, start: 'smallest' });
  }

  #someMember(): readonly [Edge, Member] | undefined {
    const edge = this.#chance.of(this.#living.filter(({ members }) => members.size > 0));
    const member = edge === undefined ? undefined : this.#chance.of([...edge.members.values()]);
    return edge === undefined || member === undefined ? undefined : [edge, member];
  }

  #leave(): void {
    const found = this.#someMember();
    if (found === undefined) return;
    const [edge, member] = found;
    this.#note(`${member.name} leaves`);
    this.#forget(edge, member);
    this.#handle(edge, { kind: 'leave', member: member.name });
  }

  /** A client stops to confirm, or confirms slowly, or again. */
  #slowDown(): void {
    const found = this.#someMember();
    if (found === undefined) return;
    const [edge, member] = found;
    const ms = this.#chance.of([undefined, 10, 700, 4000]);
    this.#note(`${member.name} confirms after ${ms ?? 'never'} ms`);
    this.#confirmAfter(edge, member, ms);
  }

  #confirmAfter(edge: Edge, member: Member, ms: number | undefined): void {
    member.confirmMs = ms;
    if (ms !== undefined) for (const confirm of member.unconfirmed.splice(0)) this.#confirmInOrder(edge, member, ms, confirm);
  }

  #confirmInOrder(edge: Edge, member: Member, ms: number, confirm: () => void): void {
    member.confirmsAt = Math.max(member.confirmsAt, this.#time.now + ms);
    this.#later(edge, member.confirmsAt - this.#time.now, confirm);
  }

  #kill(): void {
    const edge = this.#chance.of(this.#living);
    if (edge === undefined || this.#living.length === 1) return;
    this.#fault(`${edge.name} is killed`, 0, () => {
      edge.dead = true;
      for (const member of edge.members.values()) this.#forget(edge, member);
    });
  }

  /** The process stands still; what was to reach it comes when it goes on. */
  #freeze(): void {
    const edge = this.#chance.of(this.#living);
    if (edge === undefined) return;
    const ms = this.#chance.below(12_000);
    this.#fault(`${edge.name} stands still`, ms, () => {
      edge.frozenUntil = Math.max(edge.frozenUntil, this.#time.now + ms);
    });
  }

  #cutRedis(): void {
    const edge = this.#chance.of(this.#living);
    if (edge === undefined) return;
    const ms = this.#chance.below(9000);
    this.#fault(`${edge.name} cannot reach Redis`, ms, () => {
      edge.redisAwayUntil = Math.max(edge.redisAwayUntil, this.#time.now + ms);
      this.#later(edge, ms, () => this.#handle(edge, { kind: 'reconnected' }));
    });
  }

  #loseStore(): void {
    const ms = this.#chance.below(4000);
    this.#fault('the store does not answer', ms, () => {
      this.#storeAwayUntil = Math.max(this.#storeAwayUntil, this.#time.now + ms);
    });
  }

  #copyRedis(): void {
    this.#secondAgo = this.#halfAgo;
    this.#halfAgo = this.#redis.copy();
    this.#time.after(500, () => this.#copyRedis());
  }

  #redisIsBack(change: () => void): void {
    change();
    for (const edge of this.#living) this.#later(edge, this.#chance.below(100), () => this.#handle(edge, { kind: 'reconnected' }));
  }

  #forget(edge: Edge, member: Member): void {
    member.gone = true;
    edge.members.delete(member.name);
  }

  // ---- the driver

  #note(line: string): void {
    this.#timeline.push(`${Math.floor(this.#time.now)} ms: ${line}`);
    if (this.#timeline.length > KEPT_LINES) this.#timeline.shift();
  }

  /** Runs something in an edge's process: when it does not stand still, and unless it is dead. */
  #later(edge: Edge, ms: number, run: () => void): void {
    this.#time.after(ms, () => {
      if (edge.dead) return;
      if (edge.frozenUntil > this.#time.now) this.#later(edge, edge.frozenUntil - this.#time.now + 1, run);
      else run();
    });
  }

  #handle(edge: Edge, input: GroupsInput): void {
    if (edge.dead) return;
    for (const effect of edge.machine.handle(input, this.#time.now)) this.#perform(edge, effect);
  }

  #perform(edge: Edge, effect: GroupsEffect): void {
    switch (effect.do) {
      case 'call':
        this.#call(edge, effect.ask, effect.call);
        break;
      case 'give':
        this.#give(edge, effect);
        break;
      case 'lost': {
        const member = edge.members.get(effect.member);
        this.#note(`${effect.member} is lost: ${effect.failure.detail ?? effect.failure.code}`);
        if (member !== undefined) this.#forget(edge, member);
        break;
      }
      case 'listen':
        edge.listening.set(effect.name, effect.group);
        break;
      case 'unlisten':
        for (const [name, group] of edge.listening) if (group === effect.group) edge.listening.delete(name);
        break;
      case 'tell':
        for (const other of this.#living) {
          const group = other.listening.get(effect.name);
          if (other === edge || group === undefined || this.#chance.percent(5)) continue;
          this.#later(other, this.#chance.below(20), () => this.#handle(other, { kind: 'moved', group }));
        }
        break;
      case 'note':
        this.#note(effect.sentence);
        break;
      case 'wake': {
        edge.wakes += 1;
        const { wakes } = edge;
        this.#later(edge, effect.ms, () => {
          if (edge.wakes === wakes) this.#handle(edge, { kind: 'woken' });
        });
        break;
      }
      case 'cancel-wake':
        edge.wakes += 1;
        break;
    }
  }

  #give(edge: Edge, { member: name, batch, changes }: Extract<GroupsEffect, { do: 'give' }>): void {
    const member = edge.members.get(name);
    if (member === undefined) return;
    const seqs = changes.map(({ seq }: FullChange) => seq);
    this.#judge.give(member.group, seqs, (seq) => this.#partitionOf(seq), this.#time.now);
    const early = this.#history.bug === 'confirmed-when-given';
    if (early) this.#handle(edge, { kind: 'ack', member: name, batch, confirmed: true });
    const confirm = (): void => {
      if (member.gone) return;
      const partitionOf = (seq: number): number => this.#partitionOf(seq);
      const partition = partitionOf(seqs[0] ?? 0);
      const before = this.#pending(edge, member, partition);
      if (!early) this.#handle(edge, { kind: 'ack', member: name, batch, confirmed: true });
      this.#judge.confirm(member.group, seqs, partitionOf, this.#time.now, this.#pending(edge, member, partition) < before);
    };
    if (member.confirmMs !== undefined && member.unconfirmed.length === 0) {
      this.#confirmInOrder(edge, member, member.confirmMs, confirm);
      return;
    }
    member.unconfirmed.push(confirm);
    this.#later(edge, SILENT_MS, () => {
      if (member.gone || !member.unconfirmed.includes(confirm)) return;
      this.#note(`${name} is closed for its silence`);
      this.#forget(edge, member);
      this.#handle(edge, { kind: 'leave', member: name });
    });
  }

  /** What a member was given of a partition and did not confirm: a confirmation that lessens it is one that moves the position. */
  #pending(edge: Edge, { name, group }: Member, partition: number): number {
    const view = edge.machine.views().find((one) => one.name === group);
    return view?.partitions.find((one) => one.partition === partition && one.owner === name)?.pending ?? 0;
  }

  #partitionOf(seq: number): number {
    for (let partition = 0; partition < PARTITIONS; partition += 1) if (this.#store.seqsOf(partition).includes(seq)) return partition;
    return -1;
  }

  /** Asks, and answers after a while. An answer may be lost although the question was not: then nobody knows what happened. */
  #call(edge: Edge, ask: number, call: GroupCall): void {
    const there = this.#chance.below(8);
    const back = this.#chance.below(8);
    const answer = (outcome: Outcome<unknown>, ms = back): void =>
      this.#later(edge, ms, () => this.#handle(edge, { kind: 'answer', ask, outcome }));
    this.#time.after(there, () => {
      const away = isOfRedis(call) ? edge.redisAwayUntil : this.#storeAwayUntil;
      if (away > this.#time.now) {
        answer(failed('unavailable'), 50 + this.#chance.below(500));
        return;
      }
      const outcome = this.#servers.answer(edge.name, call);
      if (this.#chance.percent(this.#faults > 0 ? 1 : 0)) answer(failed('unavailable'), 500 + this.#chance.below(2500));
      else answer(outcome);
    });
  }
}
