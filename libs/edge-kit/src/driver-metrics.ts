/** What every edge exports of its drivers, under the same names. */
import type { Metrics } from '@polyedge/service-kit/metrics';
import type { Driver } from './driver.ts';

/** @param labels `edge`, and `api` where an edge has more than one driver. */
export function reportDriver(
  metrics: Metrics,
  labels: { readonly edge: string; readonly api?: string },
  driver: Pick<Driver<never, unknown, unknown, never>, 'counts' | 'gauges'>,
): void {
  metrics.countersOf('edge', 'What the driver counts.', driver.counts, labels);
  metrics.gauge('edge_connections', 'Open sockets.', () => driver.gauges().connections, labels);
  metrics.gauge('edge_in_flight', 'Requests in work.', () => driver.gauges().inFlight, labels);
  metrics.gauge('edge_buffered_bytes', 'Bytes owed to clients.', () => driver.gauges().bufferedBytes, labels);
}
