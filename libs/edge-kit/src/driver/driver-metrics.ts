/** The metrics that every edge exports about its drivers, with the same names. */
import type { Metrics } from '@polyedge/service-kit/metrics';
import type { Driver } from './driver.ts';

/** The gauges of one scrape are read within this time. */
const TOGETHER_MS = 100;

/** @param labels `edge`, and `api` where an edge has more than one driver. */
export function reportDriver(
  metrics: Metrics,
  labels: { readonly edge: string; readonly api?: string },
  driver: Pick<Driver<never, unknown, unknown, never>, 'counts' | 'gauges'>,
): void {
  // One pass over all connections serves all gauges of a scrape.
  let walked = driver.gauges();
  let walkedAt = Number.NEGATIVE_INFINITY;
  const gauges = () => {
    const at = performance.now();
    if (at - walkedAt > TOGETHER_MS) {
      walked = driver.gauges();
      walkedAt = at;
    }
    return walked;
  };
  metrics.countersOf('edge', 'What the driver counts.', driver.counts, labels);
  metrics.gauge('edge_connections', 'Open sockets.', () => gauges().connections, labels);
  metrics.gauge('edge_in_flight', 'Requests in work.', () => gauges().inFlight, labels);
  metrics.gauge('edge_buffered_bytes', 'Bytes owed to clients.', () => gauges().bufferedBytes, labels);
}
