/** Consumer groups over the bus: what `libs/journal` asks of graph-store, and how edges tell each other that members changed. */
import { graphChanges, graphHead, graphPartition, graphPosition } from '@polyedge/contracts/bus/feed';
import { groupClaim, groupCommit, groupMoved, groupOpen } from '@polyedge/contracts/bus/groups';
import { isFull } from '@polyedge/contracts/change';
import { done } from '@polyedge/contracts/errors';
import type { Bus, Subscription } from '@polyedge/service-kit/bus';
import { Groups, type GroupsOptions } from './groups/groups.ts';
import type { GroupSignals, GroupStore } from './groups/port.ts';
import type { Redis } from './redis.ts';

/** A question that is not answered by then is asked again by whoever needs it. */
const TIMEOUT_MS = 3000;
/** Shorter: until it is over no other positions are committed, and repeating it is harmless. */
const COMMIT_TIMEOUT_MS = 1500;

/** The store of positions and the journal, asked over the bus. */
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
    heard: (tenant, group, moved) => {
      const subscription = bus.subscribe(groupMoved, groupMoved.subject({ tenant, group }), moved);
      return () => subscription.unsubscribe();
    },
    tell: (tenant, group) => bus.publish(groupMoved, { tenant, group }, { edge }),
  };
}

/** The groups of this process, woken by the heads of the feed. `close` gives back everything. */
export function openGroups(
  bus: Bus,
  redis: Redis,
  options: Pick<GroupsOptions, 'edge' | 'offsetMode' | 'onNote' | 'times'>,
): { readonly groups: Groups; close(): Promise<void> } {
  const groups = new Groups({ ...options, redis, store: storeOver(bus), signals: signalsOver(bus, options.edge) });
  const heads: Subscription = bus.subscribe(graphHead, graphHead.pattern({}), ({ epoch, to }) => groups.announced(epoch, to));
  return {
    groups,
    close: async () => {
      await groups.close();
      heads.unsubscribe();
      redis.disconnect();
    },
  };
}
