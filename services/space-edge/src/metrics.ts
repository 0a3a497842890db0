import type { DriverCounts } from '@polyedge/edge-kit/counts';
import type { Driver } from '@polyedge/edge-kit/driver';
import type { GroupStats } from '@polyedge/journal/group-settings';
import type { Groups } from '@polyedge/journal/groups';
import type { Metrics } from '@polyedge/service-kit/metrics';

type Measured = Pick<Driver<never, unknown, unknown, never>, 'counts' | 'gauges'>;

/** Reports what a driver counts, under the name of its API. */
export function reportDriver(metrics: Metrics, api: string, driver: Measured): void {
  const labels = { edge: 'space', api };
  for (const name of Object.keys(driver.counts)) {
    if (!isCount(name, driver.counts)) continue;
    metrics.counterOf(`edge_${snake(name)}`, 'What the driver counts.', () => driver.counts[name], labels);
  }
  metrics.gauge('edge_connections', 'Open sockets.', () => driver.gauges().connections, labels);
  metrics.gauge('edge_in_flight', 'Requests in work.', () => driver.gauges().inFlight, labels);
  metrics.gauge('edge_buffered_bytes', 'Bytes owed to clients.', () => driver.gauges().bufferedBytes, labels);
}

/** Partitions whose lag is reported by itself. */
const REPORTED_PARTITIONS = 16;

/** Reports what groups count, and how far they are behind: never by group, whose names are made by clients. `GET /admin/groups` has those. */
export function reportGroups(metrics: Metrics, groups: Groups): void {
  const labels = { edge: 'hiro' };
  for (const name of Object.keys(groups.stats)) {
    if (!isStat(name, groups.stats)) continue;
    metrics.counterOf(`groups_${snake(name)}`, 'What groups count.', () => groups.stats[name], labels);
  }
  metrics.gauge('groups_here', 'Groups with members here.', () => groups.gauges().groups, labels);
  metrics.gauge('groups_members', 'Members here.', () => groups.gauges().members, labels);
  metrics.gauge('groups_partitions', 'Partitions that members here own.', () => groups.gauges().owned, labels);
  metrics.gauge('groups_pending', 'Changes given to members here and not confirmed.', () => groups.gauges().pending, labels);
  for (let partition = 0; partition < REPORTED_PARTITIONS; partition += 1) {
    const one = { ...labels, partition: String(partition) };
    metrics.gauge('groups_lag', 'Changes of the journal by which the furthest group here is behind.', () => groups.lagOf(partition), one);
  }
}

const isStat = (name: string, stats: GroupStats): name is keyof GroupStats => Object.hasOwn(stats, name);
const isCount = (name: string, counts: DriverCounts): name is keyof DriverCounts => Object.hasOwn(counts, name);
const snake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
