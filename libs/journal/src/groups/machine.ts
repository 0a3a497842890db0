/**
 * The consumer groups of one edge (docs/architecture.md, "Groups") as a pure machine: `handle(input, at) → effects`, without clock,
 * randomness or I/O; `groups.ts` carries out the effects. From a single tick, however many groups there are, it sends the edge's heartbeat,
 * renews leases, saves and commits positions, and rebalances.
 */
import { ANOTHER_HISTORY, EdgeState, type Epoch } from './edge-state.ts';
import { ConsumerGroup, GONE } from './group.ts';
import { call, type GroupProcedure, type GroupsEffect, type GroupsInput } from './messages.ts';
import type { CommittedPosition } from './port.ts';
import type { GroupStats, GroupTimes } from './settings.ts';

export interface GroupsSettings {
  /** A unique id of this process. */
  readonly edge: string;
  readonly times: GroupTimes;
  /** `literal`: a group without members skips what it missed when it returns with `largest`. `kafka`: it never does. */
  readonly offsetMode: 'kafka' | 'literal';
}

export class GroupsMachine {
  readonly #settings: GroupsSettings;
  readonly #state: EdgeState<ConsumerGroup>;
  readonly #byMember = new Map<string, ConsumerGroup>();
  /** Groups whose members have changed: they are to be rebalanced. */
  readonly #moved = new Set<string>();
  #beatAt = Number.NEGATIVE_INFINITY;
  #commitAt = Number.NEGATIVE_INFINITY;
  #touchAt = Number.NEGATIVE_INFINITY;
  #beating = false;
  #committing = false;

  constructor(settings: GroupsSettings) {
    this.#settings = settings;
    this.#state = new EdgeState(settings.times, settings.offsetMode);
  }

  /** @param at milliseconds from an arbitrary origin, never decreasing */
  handle(input: GroupsInput, at: number): readonly GroupsEffect[] {
    this.#state.at = at;
    this.#take(input);
    const effects = this.#state.effects.splice(0);
    for (const effect of effects) if (effect.do === 'lost') this.#byMember.delete(effect.member);
    return effects;
  }

  get stats(): GroupStats {
    return this.#state.stats;
  }

  /** The current epoch of the groups; undefined while none is open. */
  get epoch(): string | undefined {
    return this.#state.epoch?.name;
  }

  /** No ticks are needed. */
  get isIdle(): boolean {
    return this.#state.groups.size === 0 && this.#state.departed.size === 0;
  }

  /** No call is in flight. */
  get isQuiet(): boolean {
    return this.#state.procedures.size === 0;
  }

  /** This edge's view of its groups, for display. */
  views(): ReturnType<ConsumerGroup['view']>[] {
    return [...this.#state.groups.values()].map((group) => group.view());
  }

  /** The largest lag of all groups in one partition. */
  lagOf(partition: number): number {
    let most = 0;
    for (const group of this.#state.groups.values()) most = Math.max(most, group.lagOf(partition));
    return most;
  }

  #take(input: GroupsInput): void {
    const { groups, procedures } = this.#state;
    switch (input.kind) {
      case 'reply':
        procedures.resume(input.id, input.outcome);
        break;
      case 'join':
        this.#join(input);
        break;
      case 'leave':
        this.#byMember.get(input.member)?.leave(input.member);
        this.#byMember.delete(input.member);
        break;
      case 'ack':
        this.#byMember.get(input.member)?.ack(input.batch, input.confirmed);
        break;
      case 'moved':
        this.#moved.add(input.group);
        groups.get(input.group)?.rebalance();
        break;
      case 'announced':
        this.#announced(input.epoch, input.seq);
        break;
      case 'reconnected':
        this.#beatAt = Number.NEGATIVE_INFINITY;
        for (const group of [...groups.values()]) group.reconsider();
        break;
      case 'woken':
        this.#state.epoch?.tails.woken();
        break;
      case 'tick':
        this.#tick();
        break;
      case 'close':
        for (const group of [...groups.values()]) group.leaveAll();
        this.#state.epoch?.tails.close();
        break;
    }
  }

  #join({ member, tenant, name, start }: Extract<GroupsInput, { kind: 'join' }>): void {
    const { groups } = this.#state;
    const key = JSON.stringify([tenant, name]);
    let group = groups.get(key);
    if (group === undefined) {
      group = new ConsumerGroup(this.#state, { key, tenant, name, start, edge: this.#settings.edge });
      groups.set(key, group);
    }
    this.#byMember.set(member, group);
    group.join(member);
  }

  /** A new epoch ends every membership. */
  #announced(epoch: string, seq: number): void {
    const state = this.#state;
    state.announced = Math.max(state.announced, seq);
    if (state.epoch === undefined) return;
    if (state.epoch.name !== epoch) state.leave(ANOTHER_HISTORY);
    else state.epoch.tails.announced(seq);
  }

  #tick(): void {
    const { at, epoch, times, procedures, groups } = this.#state;
    if (epoch !== undefined && !this.#beating && at - this.#beatAt >= times.beatMs) procedures.start(this.#beat(epoch));
    for (const group of [...groups.values()]) group.tick();
    if (epoch !== undefined && !this.#committing && at - this.#commitAt >= times.commitMs) procedures.start(this.#commit(epoch));
  }

  /** Sends the heartbeat, and removes members from lists if Redis was unavailable when they left. */
  *#beat({ name: epoch }: Epoch): GroupProcedure {
    const { departed, stats } = this.#state;
    this.#beating = true;
    this.#beatAt = this.#state.at;
    const beaten = yield* call({ call: 'beat', epoch });
    if (!beaten.ok) stats.redisFailures += 1;
    for (const [group, members] of beaten.ok ? [...departed] : []) {
      departed.delete(group);
      if ((yield* call({ call: 'unlist', epoch, group, members: [...members] })).ok) continue;
      this.#state.depart(group, members);
      break;
    }
    this.#beating = false;
  }

  /** One statement for all groups of this edge. */
  *#commit(epoch: Epoch): GroupProcedure {
    const { at, times, stats, groups } = this.#state;
    this.#commitAt = at;
    const open = new Map([...groups.values()].flatMap((group) => (group.id === undefined ? [] : [[group.id, group] as const])));
    const positions: CommittedPosition[] = [...open.values()].flatMap((group) => group.uncommitted());
    const isDue = at - this.#touchAt >= times.touchMs;
    const moved = new Set([...this.#moved].map((key) => groups.get(key)));
    const touched = [...open].flatMap(([id, group]) => (isDue || moved.has(group) ? [id] : []));
    this.#moved.clear();
    if (positions.length === 0 && touched.length === 0) return;
    this.#committing = true;
    const outcome = yield* call({ call: 'commit', epoch: epoch.name, positions, touched });
    this.#committing = false;
    if (this.#state.epoch !== epoch) return;
    if (!outcome.ok) {
      stats.commitFailures += 1;
      if (outcome.failure.code === 'lost') this.#state.leave(outcome.failure);
      return;
    }
    if (isDue) this.#touchAt = at;
    for (const position of positions) open.get(position.group)?.committed(position);
    const gone = new Set(outcome.value.gone);
    for (const id of gone) open.get(id)?.lose({ code: 'lost', detail: GONE });
    for (const { group, partition } of outcome.value.fenced) if (!gone.has(group)) open.get(group)?.fenced(partition);
  }
}
