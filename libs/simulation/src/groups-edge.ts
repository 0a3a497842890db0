/** An edge with members of consumer groups: the real machine, a driver on virtual time, and clients that confirm at their own pace. */
import type { FullChange } from '@polyedge/contracts/change';
import { failed, type Outcome } from '@polyedge/contracts/errors';
import { GroupsMachine } from '@polyedge/journal/groups/machine';
import type { GroupCall, GroupsEffect, GroupsInput } from '@polyedge/journal/groups/messages';
import { GROUP_TIMES } from '@polyedge/journal/groups/settings';
import type { GroupJudge } from './groups-judge.ts';
import { type GroupServers, isOfRedis, type PlantedBug } from './groups-servers.ts';
import type { PositionStoreModel } from './position-store-model.ts';
import type { Chance, VirtualTime } from './virtual-time.ts';

/** The driver closes a member that has not confirmed for this long. */
const SILENT_MS = 10_000;

/** What the edges of a world share. */
export interface EdgeSurroundings {
  readonly time: VirtualTime;
  readonly chance: Chance;
  readonly servers: GroupServers;
  readonly store: PositionStoreModel;
  readonly judge: GroupJudge;
  readonly bug: PlantedBug | undefined;
  /** The store does not answer until this time. */
  readonly storeAwayUntil: number;
  /** Faults have begun: answers may be lost. */
  readonly hasFailed: boolean;
  note(line: string): void;
  /** Announces that members of a group have moved. */
  notify(from: GroupsEdge, group: string): void;
}

interface SimulatedMember {
  readonly name: string;
  readonly group: string;
  /** How long its client takes to confirm; undefined: it does not confirm, and is closed in the end. */
  confirmMs: number | undefined;
  /** Deliveries that it did not confirm while it was silent: a client confirms in order. */
  readonly unconfirmed: (() => void)[];
  /** When the last delivery in flight is confirmed. */
  confirmsAt: number;
  gone: boolean;
}

export class GroupsEdge {
  readonly name: string;
  readonly #world: EdgeSurroundings;
  readonly #machine: GroupsMachine;
  readonly #members = new Map<string, SimulatedMember>();
  readonly #listening = new Map<string, string>();
  #isDead = false;
  /** Its process is suspended until this time. */
  #frozenUntil = 0;
  #wakes = 0;
  /** It cannot reach Redis until this time. */
  redisAwayUntil = 0;

  constructor(world: EdgeSurroundings, name: string) {
    this.name = name;
    this.#world = world;
    this.#machine = new GroupsMachine({ edge: name, times: GROUP_TIMES, offsetMode: 'kafka' });
    // There is a head at least every second.
    const head = (): void => {
      this.announce();
      this.later(1000, head);
    };
    head();
    const tick = (): void => {
      if (world.bug !== 'no-tick' || world.chance.percent(1)) this.handle({ kind: 'tick' });
      this.later(GROUP_TIMES.tickMs, tick);
    };
    this.later(world.chance.below(GROUP_TIMES.tickMs), tick);
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  get frozenUntil(): number {
    return this.#frozenUntil;
  }

  get members(): readonly string[] {
    return [...this.#members.keys()];
  }

  serves(group: string): boolean {
    return [...this.#members.values()].some((member) => member.group === group);
  }

  /** Runs work in this process: once it is not suspended, and unless it was killed. */
  later(ms: number, run: () => void): void {
    const { time } = this.#world;
    time.after(ms, () => {
      if (this.#isDead) return;
      if (this.#frozenUntil > time.now) this.later(this.#frozenUntil - time.now + 1, run);
      else run();
    });
  }

  announce(): void {
    const { epoch, seq } = this.#world.store;
    this.handle({ kind: 'announced', epoch, seq });
  }

  /** Another edge announces that members of a group have moved. */
  notified(name: string): void {
    const group = this.#listening.get(name);
    if (group !== undefined) this.later(this.#world.chance.below(20), () => this.handle({ kind: 'moved', group }));
  }

  listensTo(name: string): boolean {
    return this.#listening.has(name);
  }

  handle(input: GroupsInput): void {
    if (this.#isDead) return;
    for (const effect of this.#machine.handle(input, this.#world.time.now)) this.#perform(effect);
  }

  kill(): void {
    this.#isDead = true;
    for (const member of [...this.#members.values()]) this.#forget(member);
  }

  /** Suspends the process; its messages arrive when it resumes. */
  freeze(ms: number): void {
    this.#frozenUntil = Math.max(this.#frozenUntil, this.#world.time.now + ms);
  }

  // ---- members

  join(name: string, group: string): void {
    const member: SimulatedMember = {
      ...{ name, group, confirmMs: this.#world.chance.below(60), unconfirmed: [], confirmsAt: 0, gone: false },
    };
    this.#members.set(name, member);
    this.#world.note(`${name} joins ${group}`);
    this.handle({ kind: 'join', member: name, tenant: 't', name: group, start: 'smallest' });
  }

  leave(name: string): void {
    const member = this.#members.get(name);
    if (member === undefined) return;
    this.#world.note(`${name} leaves`);
    this.#forget(member);
    this.handle({ kind: 'leave', member: name });
  }

  /** From now on, a client confirms after this time; undefined: it stops confirming. */
  confirmAfter(name: string, ms: number | undefined): void {
    const member = this.#members.get(name);
    if (member === undefined) return;
    member.confirmMs = ms;
    if (ms !== undefined) for (const confirm of member.unconfirmed.splice(0)) this.#confirmInOrder(member, ms, confirm);
  }

  #confirmInOrder(member: SimulatedMember, ms: number, confirm: () => void): void {
    const { now } = this.#world.time;
    member.confirmsAt = Math.max(member.confirmsAt, now + ms);
    this.later(member.confirmsAt - now, confirm);
  }

  #forget(member: SimulatedMember): void {
    member.gone = true;
    this.#members.delete(member.name);
  }

  #give({ member: name, batch, changes }: Extract<GroupsEffect, { do: 'deliver' }>): void {
    const member = this.#members.get(name);
    if (member === undefined) return;
    const { judge, store, time, bug } = this.#world;
    const seqs = changes.map(({ seq }: FullChange) => seq);
    const partitionOf = (seq: number): number => store.partitionOf(seq);
    judge.give(member.group, seqs, partitionOf, time.now);
    const early = bug === 'confirmed-when-given';
    if (early) this.handle({ kind: 'ack', member: name, batch, confirmed: true });
    const confirm = (): void => {
      if (member.gone) return;
      const partition = partitionOf(seqs[0] ?? 0);
      const before = this.#pending(member, partition);
      if (!early) this.handle({ kind: 'ack', member: name, batch, confirmed: true });
      judge.confirm(member.group, seqs, partitionOf, time.now, this.#pending(member, partition) < before);
    };
    if (member.confirmMs !== undefined && member.unconfirmed.length === 0) {
      this.#confirmInOrder(member, member.confirmMs, confirm);
      return;
    }
    member.unconfirmed.push(confirm);
    this.later(SILENT_MS, () => {
      if (member.gone || !member.unconfirmed.includes(confirm)) return;
      this.#world.note(`${name} is closed for its silence`);
      this.#forget(member);
      this.handle({ kind: 'leave', member: name });
    });
  }

  /** The number of a member's unconfirmed deliveries in a partition: a confirmation that reduces it moves the position. */
  #pending({ name, group }: SimulatedMember, partition: number): number {
    const view = this.#machine.views().find((one) => one.name === group);
    return view?.partitions.find((one) => one.partition === partition && one.owner === name)?.pending ?? 0;
  }

  // ---- the driver

  #perform(effect: GroupsEffect): void {
    switch (effect.do) {
      case 'call':
        this.#call(effect.id, effect.call);
        break;
      // Members here do not ask about earlier owners.
      case 'taken':
        break;
      case 'deliver':
        this.#give(effect);
        break;
      case 'lost': {
        const member = this.#members.get(effect.member);
        this.#world.note(`${effect.member} is lost: ${effect.failure.detail ?? effect.failure.code}`);
        if (member !== undefined) this.#forget(member);
        break;
      }
      case 'listen':
        this.#listening.set(effect.name, effect.group);
        break;
      case 'unlisten':
        for (const [name, group] of this.#listening) if (group === effect.group) this.#listening.delete(name);
        break;
      case 'notify':
        this.#world.notify(this, effect.name);
        break;
      case 'note':
        this.#world.note(effect.sentence);
        break;
      case 'wake': {
        this.#wakes += 1;
        const wakes = this.#wakes;
        this.later(effect.ms, () => {
          if (this.#wakes === wakes) this.handle({ kind: 'woken' });
        });
        break;
      }
      case 'cancel-wake':
        this.#wakes += 1;
        break;
    }
  }

  /** Sends a request, whose answer arrives after a while or is lost; the request may have taken effect even then. */
  #call(id: number, call: GroupCall): void {
    const { chance, time, servers } = this.#world;
    const there = chance.below(8);
    const back = chance.below(8);
    const answer = (outcome: Outcome<unknown>, ms = back): void => this.later(ms, () => this.handle({ kind: 'reply', id, outcome }));
    time.after(there, () => {
      const away = isOfRedis(call) ? this.redisAwayUntil : this.#world.storeAwayUntil;
      if (away > time.now) {
        answer(failed('unavailable'), 50 + chance.below(500));
        return;
      }
      const outcome = servers.answer(this.name, call);
      if (chance.percent(this.#world.hasFailed ? 1 : 0)) answer(failed('unavailable'), 500 + chance.below(2500));
      else answer(outcome);
    });
  }
}
