/** Driver of the groups machine (`machine.ts`): carries out its calls over Redis and the store, and delivers changes to the members. */
import { done, failed, type Outcome } from '@polyedge/contracts/errors';
import { processSurroundings, type Surroundings } from '@polyedge/service-kit/surroundings';
import type { GroupHistories, GroupHistory } from '../group-history.ts';
import { GroupsMachine } from './machine.ts';
import type { GroupCall, GroupReplies, GroupsEffect, GroupsInput } from './messages.ts';
import type { GroupSignals, GroupStore, MemberHandler, Membership } from './port.ts';
import { GROUP_TIMES, type GroupStats, type GroupTimes } from './settings.ts';

/** How long the shutdown waits for partitions to be released. */
const CLOSE_MS = 5000;

export interface GroupsOptions {
  readonly histories: GroupHistories;
  readonly store: GroupStore;
  readonly signals: GroupSignals;
  /** A unique id of this process. */
  readonly edge: string;
  readonly times?: Partial<GroupTimes>;
  /** `literal`: a group without members skips what it missed when it returns with `largest`. Default `kafka`: it never does. */
  readonly offsetMode?: 'kafka' | 'literal';
  /** A message for the operator. */
  onNote?(sentence: string, group: { readonly tenant: string; readonly name: string }): void;
  /** Default: the process's clock and timers. */
  readonly surroundings?: Pick<Surroundings, 'now' | 'after' | 'every'>;
}

export class Groups {
  readonly #options: GroupsOptions;
  readonly #times: GroupTimes;
  readonly #around: Pick<Surroundings, 'now' | 'after' | 'every'>;
  readonly #machine: GroupsMachine;
  readonly #members = new Map<string, { readonly tenant: string; readonly handler: MemberHandler }>();
  readonly #listening = new Map<string, () => void>();
  readonly #endReconnected: () => void;
  #history: (GroupHistory & { readonly epoch: string }) | undefined;
  #endTicks: (() => void) | undefined;
  #cancelWake: () => void = () => {};
  #count = 0;
  #quiet: () => void = () => {};
  #isClosed = false;

  constructor(options: GroupsOptions) {
    const { edge, offsetMode = 'kafka' } = options;
    this.#options = options;
    this.#times = { ...GROUP_TIMES, ...options.times };
    this.#around = options.surroundings ?? processSurroundings;
    this.#machine = new GroupsMachine({ edge, offsetMode, times: this.#times });
    this.#endReconnected = options.histories.onReconnected(() => this.#handle({ kind: 'reconnected' }));
  }

  get stats(): GroupStats {
    return this.#machine.stats;
  }

  /** Makes a socket a member of a group. The end of the membership is reported by `lost` at the latest. */
  join(
    group: { readonly tenant: string; readonly name: string; readonly start: 'largest' | 'smallest' },
    handler: MemberHandler,
  ): Membership {
    this.#count += 1;
    const member = `${this.#options.edge}.${this.#count}`;
    this.#members.set(member, { tenant: group.tenant, handler });
    this.#handle({ kind: 'join', member, ...group });
    return {
      leave: () => {
        if (this.#members.delete(member)) this.#handle({ kind: 'leave', member });
      },
    };
  }

  /** A head of the live feed. A new epoch ends every membership. */
  announced(epoch: string, seq: number): void {
    this.#handle({ kind: 'announced', epoch, seq });
  }

  /** These tenants are in another journal now: their memberships end, and clients join again there. */
  moved(tenants: ReadonlySet<string>): void {
    for (const [member, { tenant, handler }] of [...this.#members]) {
      if (!tenants.has(tenant) || !this.#members.delete(member)) continue;
      this.#handle({ kind: 'leave', member });
      handler.lost({ code: 'lost', detail: 'the tenant was moved to another journal' });
    }
  }

  /** Whether this edge has no members. */
  get isEmpty(): boolean {
    return this.#members.size === 0;
  }

  /** This edge's view of its groups, for display. */
  views(): ReturnType<GroupsMachine['views']> {
    return this.#machine.views();
  }

  /** The client of a member of this edge; undefined if the member has ended, or is not a socket. */
  clientOf(member: string): ReturnType<NonNullable<MemberHandler['client']>> | undefined {
    return this.#members.get(member)?.handler.client?.();
  }

  /** Gauges for metrics. */
  gauges(): { readonly groups: number; readonly members: number; readonly owned: number; readonly pending: number; readonly lag: number } {
    const views = this.views();
    const owned = views.flatMap(({ partitions }) => partitions);
    return {
      groups: views.length,
      members: views.reduce((sum, { members }) => sum + members.length, 0),
      owned: owned.length,
      pending: owned.reduce((sum, { pending }) => sum + pending, 0),
      lag: owned.reduce((most, { lag }) => Math.max(most, lag), 0),
    };
  }

  /** The largest lag of all groups in one partition. */
  lagOf(partition: number): number {
    return this.#machine.lagOf(partition);
  }

  /** Members and owners of a group in Redis, over all edges. */
  async shared(
    id: number,
  ): Promise<{ readonly members: Map<string, string>; readonly leases: Awaited<ReturnType<GroupHistory['redis']['leases']>> } | undefined> {
    const { epoch } = this.#machine;
    if (epoch === undefined) return undefined;
    const { redis } = this.#historyOf(epoch);
    try {
      return { members: await redis.members(id), leases: await redis.leases(id) };
    } catch {
      return undefined;
    }
  }

  /** Releases everything; resolves when done, or after a time-out. */
  async close(): Promise<void> {
    this.#endReconnected();
    this.#isClosed = true;
    this.#handle({ kind: 'close' });
    this.#cancelWake();
    if (this.#machine.isQuiet) return;
    await new Promise<void>((resolve) => {
      const cancel = this.#around.after(CLOSE_MS, resolve);
      this.#quiet = () => {
        cancel();
        resolve();
      };
    });
  }

  #handle(input: GroupsInput): void {
    for (const effect of this.#machine.handle(input, this.#around.now())) this.#perform(effect);
    if (this.#machine.isIdle || this.#isClosed) {
      this.#endTicks?.();
      this.#endTicks = undefined;
    } else this.#endTicks ??= this.#around.every(this.#times.tickMs, () => this.#handle({ kind: 'tick' }));
    if (this.#machine.isQuiet) this.#quiet();
  }

  #perform(effect: GroupsEffect): void {
    const { signals, onNote } = this.#options;
    switch (effect.do) {
      case 'call': {
        const { id, call } = effect;
        void this.#call(call).then((outcome) => this.#handle({ kind: 'reply', id, outcome }));
        break;
      }
      case 'taken':
        this.#members.get(effect.member)?.handler.taken?.();
        break;
      case 'deliver':
        this.#deliver(effect);
        break;
      case 'lost': {
        const lost = this.#members.get(effect.member);
        this.#members.delete(effect.member);
        lost?.handler.lost(effect.failure);
        break;
      }
      case 'listen': {
        const { group, tenant, name } = effect;
        this.#listening.set(
          group,
          signals.subscribe(tenant, name, () => this.#handle({ kind: 'moved', group })),
        );
        break;
      }
      case 'unlisten':
        this.#listening.get(effect.group)?.();
        this.#listening.delete(effect.group);
        break;
      case 'notify':
        signals.publish(effect.tenant, effect.name);
        break;
      case 'note':
        onNote?.(effect.sentence, { tenant: effect.tenant, name: effect.name });
        break;
      case 'wake':
        this.#cancelWake();
        this.#cancelWake = this.#around.after(effect.ms, () => this.#handle({ kind: 'woken' }));
        break;
      case 'cancel-wake':
        this.#cancelWake();
        break;
    }
  }

  /** Changes acknowledged within `batch` were not shown. */
  #deliver({ member, batch, changes, shared }: Extract<GroupsEffect, { do: 'deliver' }>): void {
    const handler = this.#members.get(member)?.handler;
    if (handler === undefined) return;
    this.stats.given += changes.length;
    let confirmed = false;
    handler.batch(changes, () => this.#handle({ kind: 'ack', member, batch, confirmed }), shared);
    confirmed = true;
  }

  // ---- calls

  #historyOf(epoch: string): GroupHistory {
    if (this.#history?.epoch !== epoch) this.#history = { epoch, ...this.#options.histories.of(epoch) };
    return this.#history;
  }

  async #call(call: GroupCall): Promise<Outcome<GroupReplies[GroupCall['call']]>> {
    const { store } = this.#options;
    switch (call.call) {
      case 'open':
        return store.open(call.tenant, call.name, call.start, call.skip);
      case 'claim':
        return store.claim(call.epoch, call.group, call.claims);
      case 'commit':
        return store.commit(call.epoch, call.positions, call.touched);
      case 'position':
        return store.position();
      case 'read':
        return this.#historyOf(call.epoch).reader.read(call.partition, call.after, call.limit);
      case 'end':
        return done(await this.#historyOf(call.epoch).reader.end(call.partition));
      default:
        return this.#askRedis(call, this.#historyOf(call.epoch).redis);
    }
  }

  async #askRedis(
    call: Extract<GroupCall, { call: 'list' | 'unlist' | 'beat' | 'members' | 'alive' | 'take' | 'hold' }>,
    redis: GroupHistory['redis'],
  ): Promise<Outcome<GroupReplies[GroupCall['call']]>> {
    const { edge } = this.#options;
    const { aliveMs, termMs } = this.#times;
    try {
      switch (call.call) {
        case 'list': {
          // A heartbeat first: other edges take the partitions of an edge that seems dead, and remove its members from the list. Redis may
          // have lost the last heartbeat.
          const [, joined] = await Promise.all([redis.beat(edge, aliveMs), redis.join(call.group, edge, call.members)]);
          return done(joined);
        }
        case 'unlist':
          return done(await redis.leave(call.group, call.members).then(() => undefined));
        case 'beat':
          return done(await redis.beat(edge, aliveMs).then(() => undefined));
        case 'members':
          return done(await redis.members(call.group));
        case 'alive':
          return done(await redis.alive(call.edges));
        case 'take':
          return done(await redis.take(call.group, call.owner, termMs, call.freeForMs, call.requests));
        case 'hold':
          return done(await redis.hold(call.group, call.what, call.what === 'renew' ? termMs : 0, call.held));
      }
    } catch {
      return failed('unavailable', 'Redis does not answer');
    }
  }
}
