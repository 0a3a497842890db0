/** Answers the console's requests for the state of this process's consumer groups. Read-only. */
import { type GroupReport, groupsFound, groupsWanted } from '@polyedge/contracts/bus/console';
import type { Bus, Subscription } from '@polyedge/service-kit/bus';
import type { JournalGroups } from './groups-over-bus.ts';

const MAX_MEMBERS_TOLD = 256;

export function publishGroups(bus: Pick<Bus, 'subscribe' | 'publish'>, groups: JournalGroups, instance: string): Subscription {
  const report = async (tenant: string, id: number, name: string): Promise<GroupReport> => {
    const ofTenant = groups.of(tenant);
    const shared = await ofTenant?.shared(id);
    const here = ofTenant?.views().find((view) => view.tenant === tenant && view.name === name);
    return {
      id,
      members: [...(shared?.members ?? [])].slice(0, MAX_MEMBERS_TOLD).map(([member, edge]) => ({ member, edge })),
      owners: [...(shared?.leases ?? [])].flatMap(([partition, { owner }]) => (owner === '' ? [] : [{ partition, owner }])),
      here: (here?.members ?? []).flatMap((member) => {
        const client = ofTenant?.clientOf(member);
        return client === undefined ? [] : [{ member, ...client }];
      }),
      own: (here?.partitions ?? []).map(({ partition, position, pending, lag }) => ({ partition, position, pending, lag })),
    };
  };
  return bus.subscribe(groupsWanted, groupsWanted.pattern({}), ({ question, tenant, groups: wanted }) => {
    void Promise.all(wanted.map(({ id, name }) => report(tenant, id, name))).then((found) =>
      bus.publish(groupsFound, { question }, { instance, groups: found }),
    );
  });
}
