import type { Groups } from '@polyedge/journal/groups/groups';
import type { Metrics } from '@polyedge/service-kit/metrics';

/** Partitions whose lag is reported by itself. */
const REPORTED_PARTITIONS = 16;

/** Reports what the groups of one journal count, and how far they are behind: never by group, whose names are made by clients. `GET /admin/groups` has those. */
export function reportGroups(metrics: Metrics, groups: Groups, journal: string): void {
  const labels = { edge: 'hiro', journal };
  metrics.countersOf('groups', 'What groups count.', groups.stats, labels);
  metrics.gauge('groups_here', 'Groups with members here.', () => groups.gauges().groups, labels);
  metrics.gauge('groups_members', 'Members here.', () => groups.gauges().members, labels);
  metrics.gauge('groups_partitions', 'Partitions that members here own.', () => groups.gauges().owned, labels);
  metrics.gauge('groups_pending', 'Changes given to members here and not confirmed.', () => groups.gauges().pending, labels);
  for (let partition = 0; partition < REPORTED_PARTITIONS; partition += 1) {
    const one = { ...labels, partition: String(partition) };
    metrics.gauge('groups_lag', 'Changes of the journal by which the furthest group here is behind.', () => groups.lagOf(partition), one);
  }
}
