import type { DriverCounts } from '@polyedge/edge-kit/counts';
import type { Driver } from '@polyedge/edge-kit/driver';
import type { Metrics } from '@polyedge/service-kit/metrics';

type Measured = Pick<Driver<never, unknown, unknown, never>, 'counts' | 'gauges'>;

/** Reports what the driver counts. */
export function reportDriver(metrics: Metrics, driver: Measured): void {
  const labels = { edge: 'saga', api: 'socket' };
  for (const name of Object.keys(driver.counts)) {
    if (!isCount(name, driver.counts)) continue;
    metrics.counterOf(`edge_${snake(name)}`, 'What the driver counts.', () => driver.counts[name], labels);
  }
  metrics.gauge('edge_connections', 'Open sockets.', () => driver.gauges().connections, labels);
  metrics.gauge('edge_in_flight', 'Requests in work.', () => driver.gauges().inFlight, labels);
  metrics.gauge('edge_buffered_bytes', 'Bytes owed to clients.', () => driver.gauges().bufferedBytes, labels);
}

const isCount = (name: string, counts: DriverCounts): name is keyof DriverCounts => Object.hasOwn(counts, name);
const snake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
