import type { Driver } from '@polyedge/edge-kit/driver/driver';
import { reportDriver } from '@polyedge/edge-kit/driver/driver-metrics';
import type { Heartbeat } from '@polyedge/edge-kit/transport/heartbeat';
import type { Metrics } from '@polyedge/service-kit/metrics';
import type { TopicsFile } from './topics-file.ts';

type Measured = Pick<Driver<never, unknown, unknown, never>, 'counts' | 'gauges' | 'filteredSubscriptions'>;

/** Reports sessions, subscriptions, heartbeats and the driver's counters (texts that are not JSON are its `undecodable`). */
export function report(metrics: Metrics, driver: Measured, heartbeat: Heartbeat, topics: TopicsFile): void {
  const labels = { edge: 'gooduncle' };
  reportDriver(metrics, labels, driver);
  metrics.gauge('edge_subscriptions', 'Active subscriptions.', () => driver.filteredSubscriptions.size.members, labels);
  metrics.gauge('edge_interests', 'Types watched for subscriptions.', () => driver.filteredSubscriptions.size.interests, labels);
  metrics.gauge(
    'edge_groups',
    'Different queries among the subscriptions; each is evaluated once per change.',
    () => driver.filteredSubscriptions.size.groups,
    labels,
  );
  const { counts } = heartbeat;
  metrics.counterOf('heartbeats_sent', 'Beats sent.', () => counts.sent, labels);
  metrics.counterOf(
    'heartbeats_skipped',
    'Heartbeats skipped because the client was sent something else or has unread data.',
    () => counts.skipped,
    labels,
  );
  metrics.counterOf('keep_alives_received', 'Heartbeats received from clients.', () => counts.received, labels);
  metrics.counterOf('heartbeat_idle_closes', 'Clients closed for being silent.', () => counts.idleCloses, labels);
  metrics.counterOf('heartbeat_stalls', 'Pauses of this process that were not counted against clients.', () => counts.stalls, labels);
  metrics.gauge('heartbeat_delay_ms', 'The delay of the latest heartbeats.', () => counts.lateMs, labels);
  metrics.counterOf('topics_loaded', 'Topic rules loaded.', () => topics.counts.loaded, labels);
  metrics.counterOf('topics_refused', 'Topic rules rejected.', () => topics.counts.refused, labels);
}
