import type { Groups } from '@polyedge/journal/groups/groups';
import type { Metrics } from '@polyedge/service-kit/metrics';

/** Partitions whose lag is reported individually. */
const REPORTED_PARTITIONS = 16;

/**
 * Exports the counters and lags of one journal's groups, never by group, because clients choose the groups' names. `GET /admin/groups`
 * lists groups.
 */
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
