import type { DriverCounts } from '@polyedge/edge-kit/counts';
import type { Driver } from '@polyedge/edge-kit/driver';
import type { Metrics } from '@polyedge/service-kit/metrics';

type Measured = Pick<Driver<never, unknown, unknown, never>, 'counts' | 'gauges'>;

/** Reports what a driver counts, under the kind of its connections. */
export function reportDriver(metrics: Metrics, api: 'clients' | 'trusted', driver: Measured): void {
  const labels = { edge: 'jssocket', api };
  for (const name of Object.keys(driver.counts)) {
    if (!isCount(name, driver.counts)) continue;
    metrics.counterOf(`edge_${snake(name)}`, 'What the driver counts.', () => driver.counts[name], labels);
  }
  metrics.gauge('edge_connections', 'Open sockets.', () => driver.gauges().connections, labels);
  metrics.gauge('edge_in_flight', 'Secrets being checked.', () => driver.gauges().inFlight, labels);
  metrics.gauge('edge_buffered_bytes', 'Bytes owed to clients.', () => driver.gauges().bufferedBytes, labels);
}

/** Reports a set of plain counters as `<prefix>_<name>`. */
export function reportCounts(metrics: Metrics, prefix: string, description: string, counts: Readonly<Record<string, number>>): void {
  for (const name of Object.keys(counts)) metrics.counterOf(`${prefix}_${snake(name)}`, description, () => counts[name] ?? 0);
}

const isCount = (name: string, counts: DriverCounts): name is keyof DriverCounts => Object.hasOwn(counts, name);
const snake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
