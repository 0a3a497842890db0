/**
 * Consumer groups over the bus: requests to graph-store, and notifications between edges when members change. Each journal has its own
 * groups; those of a journal are opened by the first member whose tenant is in it, and its heads are subscribed to while it has members
 * here.
 */
import { graphChanges, graphHead, graphPartition, graphPosition } from '@polyedge/contracts/bus/feed';
import { groupClaim, groupCommit, groupMoved, groupOpen } from '@polyedge/contracts/bus/groups';
import { isFull } from '@polyedge/contracts/change';
import { done } from '@polyedge/contracts/errors';
import { MAIN } from '@polyedge/contracts/journal';
import type { Bus, Subscription } from '@polyedge/service-kit/bus';
import { busOf } from '@polyedge/service-kit/journal-bus';
import { historiesIn } from './group-history.ts';
import { Groups, type GroupsOptions } from './groups/groups.ts';
import type { GroupSignals, GroupStore, MemberHandler, Membership } from './groups/port.ts';
import type { JournalRedis } from './journal-redis.ts';

/** Time-out of a request; callers retry. */
const TIMEOUT_MS = 3000;
/** Shorter, because it delays all other commits, and repeating it is harmless. */
const COMMIT_TIMEOUT_MS = 1500;
/** Interval of checking whether a journal still has members here; one without members twice in a row is closed. */
const LOOK_MS = 15_000;

/** The store of positions and the journal, over the bus. */
export function storeOver(bus: Bus): GroupStore {
  const options = { timeoutMs: TIMEOUT_MS };
  return {
    open: (tenant, name, start, skip) => bus.request(groupOpen, groupOpen.subject({ tenant }), { name, start, skip }, options),
    claim: (epoch, group, claims) => bus.request(groupClaim, groupClaim.subject({}), { epoch, group, claims }, options),
    commit: (epoch, positions, touched) =>
      bus.request(groupCommit, groupCommit.subject({}), { epoch, positions, touched }, { timeoutMs: COMMIT_TIMEOUT_MS }),
    partition: async (epoch, partition, after, limit) => {
      const read = await bus.request(graphPartition, graphPartition.subject({}), { epoch, partition, after, limit }, options);
      return read.ok ? done({ to: read.value.to, changes: read.value.changes.filter(isFull) }) : read;
    },
    bySeq: async (epoch, seqs) => {
      const found = await bus.request(graphChanges, graphChanges.subject({}), { epoch, seqs: [...seqs] }, options);
      return found.ok ? done(found.value.changes.filter(isFull)) : found;
    },
    position: () => bus.request(graphPosition, graphPosition.subject({}), {}, options),
  };
}

export function signalsOver(bus: Bus, edge: string): GroupSignals {
  return {
    subscribe: (tenant, group, moved) => {
      const subscription = bus.subscribe(groupMoved, groupMoved.subject({ tenant, group }), moved);
      return () => subscription.unsubscribe();
    },
    publish: (tenant, group) => bus.publish(groupMoved, { tenant, group }, { edge }),
  };
}

export interface OpenGroupsOptions extends Pick<GroupsOptions, 'edge' | 'offsetMode' | 'onNote' | 'times'> {
  /** Called when the groups of a journal are opened. */
  onOpened?(groups: Groups, journal: string): void;
}

interface OpenGroups {
  readonly groups: Groups;
  readonly bus: Bus;
  heads: Subscription | undefined;
  /** It had no members at the last check. */
  wasEmpty: boolean;
}

/** The groups of this process, woken by the heads of the feed. */
export class JournalGroups {
  readonly #bus: Bus;
  readonly #redis: JournalRedis;
  readonly #options: OpenGroupsOptions;
  readonly #opened = new Map<string, OpenGroups>();
  readonly #moved: Subscription | undefined;
  readonly #looking: NodeJS.Timeout | undefined;

  constructor(bus: Bus, redis: JournalRedis, options: OpenGroupsOptions) {
    this.#bus = bus;
    this.#redis = redis;
    this.#options = options;
    this.#open(MAIN);
    this.#moved = bus.placements?.onMoved((tenants) => {
      for (const { groups } of this.#opened.values()) groups.moved(tenants);
    });
    if (bus.placements !== undefined) this.#looking = setInterval(() => this.#look(), LOOK_MS).unref();
  }

  /** Makes a socket a member of a group. The end of the membership is reported by `lost` at the latest. */
  join(
    group: { readonly tenant: string; readonly name: string; readonly start: 'largest' | 'smallest' },
    handler: MemberHandler,
  ): Membership {
    const journal = this.#journalOf(group.tenant);
    const opened = this.#opened.get(journal) ?? this.#open(journal);
    opened.wasEmpty = false;
    opened.heads ??= subscribeToHeads(opened);
    return opened.groups.join(group, handler);
  }

  /** The groups of a tenant's journal; undefined if they are not open. */
  of(tenant: string): Groups | undefined {
    return this.#opened.get(this.#journalOf(tenant))?.groups;
  }

  /** Releases everything. */
  async close(): Promise<void> {
    this.#moved?.unsubscribe();
    clearInterval(this.#looking);
    await Promise.all([...this.#opened.values()].map(({ groups }) => groups.close()));
    for (const { heads } of this.#opened.values()) heads?.unsubscribe();
    this.#redis.disconnect();
  }

  #journalOf(tenant: string): string {
    return this.#bus.placements?.journalOf(tenant) ?? MAIN;
  }

  #open(journal: string): OpenGroups {
    const { onOpened, ...options } = this.#options;
    const bus = busOf(this.#bus, journal);
    const store = storeOver(bus);
    const groups = new Groups({
      ...options,
      histories: historiesIn(this.#redis.of(journal), store, journal),
      store,
      signals: signalsOver(bus, options.edge),
    });
    const opened: OpenGroups = { groups, bus, heads: undefined, wasEmpty: false };
    opened.heads = subscribeToHeads(opened);
    this.#opened.set(journal, opened);
    onOpened?.(groups, journal);
    return opened;
  }

  /** The subscription is kept if there is only one journal. */
  #look(): void {
    if (this.#opened.size === 1) return;
    for (const opened of this.#opened.values()) {
      if (opened.groups.isEmpty && opened.wasEmpty) {
        opened.heads?.unsubscribe();
        opened.heads = undefined;
      }
      opened.wasEmpty = opened.groups.isEmpty;
    }
  }
}

const subscribeToHeads = ({ bus, groups }: OpenGroups): Subscription =>
  bus.subscribe(graphHead, graphHead.pattern({}), ({ epoch, to }) => groups.announced(epoch, to));
