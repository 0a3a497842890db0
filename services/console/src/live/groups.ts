/** Consumer groups: positions from PostgreSQL, members and owners from Redis, and newer data from the owning edges. */
import { type GroupReport, groupsFound, groupsWanted, type MemberHere } from '@polyedge/contracts/bus/console';
import { type GroupState, groupList, INTERNAL_GROUPS } from '@polyedge/contracts/bus/groups';
import type { Outcome } from '@polyedge/contracts/errors';
import type { Bus } from '@polyedge/service-kit/bus';
import { gather } from './gathering.ts';

export interface PartitionView {
  readonly partition: number;
  readonly position: number;
  /** Absent without an owner: the number of its changes in this partition is unknown then. */
  readonly lag?: number;
  readonly pending?: number;
  readonly owner?: string;
}

export interface MemberView {
  readonly member: string;
  readonly edge: string;
  readonly partitions: number;
  /** The member's address, user and last pong: available while its edge answers. */
  readonly client?: Omit<MemberHere, 'member'>;
}

export interface GroupView {
  readonly id: number;
  readonly name: string;
  /** Used by one of our own services: it cannot be reset or deleted. */
  readonly internal: boolean;
  readonly createdOn: number;
  readonly touchedOn: number;
  readonly members: readonly MemberView[];
  readonly partitions: readonly PartitionView[];
  /** The largest lag of its owned partitions. */
  readonly lag: number;
}

const MAX_SHOWN = 100;

/** @param edges instances that serve groups */
export async function findGroups(
  bus: Bus,
  tenant: string,
  edges: readonly string[],
  timeoutMs: number,
): Promise<Outcome<{ readonly seq: number; readonly groups: readonly GroupView[]; readonly left: number }>> {
  const listed = await bus.request(groupList, groupList.subject({ tenant }), {}, { timeoutMs });
  if (!listed.ok) return listed;
  const shown = listed.value.groups.slice(0, MAX_SHOWN);
  const reports: GroupReport[] = [];
  if (shown.length > 0) {
    await gather({
      bus,
      processes: edges,
      subscribe: (question, answered) =>
        bus.subscribe(groupsFound, groupsFound.subject({ question }), ({ instance, groups }) => {
          reports.push(...groups);
          answered(instance);
        }),
      publish: (question) => bus.publish(groupsWanted, {}, { question, tenant, groups: shown.map(({ id, name }) => ({ id, name })) }),
    });
  }
  const groups = shown.map((group) =>
    joined(
      group,
      reports.filter(({ id }) => id === group.id),
    ),
  );
  return { ok: true, value: { seq: listed.value.seq, groups, left: listed.value.groups.length - shown.length } };
}

/** Combines the reports of the store and of every edge about a group. */
export function joined({ id, name, createdOn, touchedOn, positions }: GroupState, reports: readonly GroupReport[]): GroupView {
  // All edges read the same Redis; the report with most members is probably the newest.
  const shared = reports.toSorted((one, other) => other.members.length - one.members.length)[0];
  const owners = new Map(shared?.owners.map(({ partition, owner }) => [partition, owner]));
  const own = new Map(reports.flatMap((each) => each.own.map((one) => [one.partition, one] as const)));
  const partitions = positions.map(({ partition, position }): PartitionView => {
    const owned = own.get(partition);
    const owner = owners.get(partition);
    return {
      partition,
      position: Math.max(position, owned?.position ?? 0),
      ...(owned === undefined ? {} : { lag: owned.lag, pending: owned.pending }),
      ...(owner === undefined ? {} : { owner }),
    };
  });
  const clients = new Map(reports.flatMap(({ here = [] }) => here.map(({ member, ...client }) => [member, client] as const)));
  const members = (shared?.members ?? []).map(({ member, edge }): MemberView => {
    const client = clients.get(member);
    const owned = partitions.filter(({ owner }) => owner === member).length;
    return { member, edge, partitions: owned, ...(client === undefined ? {} : { client }) };
  });
  const lag = partitions.reduce((most, one) => Math.max(most, one.lag ?? 0), 0);
  return { id, name, internal: name.startsWith(INTERNAL_GROUPS), createdOn, touchedOn, members, partitions, lag };
}
