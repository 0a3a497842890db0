/**
 * `statsd_client` of scripts: counters, values and distributions as metrics of this process. Scripts choose the names, so
 * their number is bounded: each organization has an equal share of the total, whether others use theirs or not.
 */
import type { Histogram, Metrics } from '@polyedge/service-kit/metrics';

/** Of all organizations: OpenTelemetry keeps 2,000 series of a metric. */
const MAX_NAMES = 1000;
const MAX_NAMES_OF_TENANT = 200;
const NAME = /^[A-Za-z0-9_./:-]{1,100}$/;

export class Stats {
  readonly #metrics: Metrics;
  readonly #values: Histogram<'name'>;
  readonly #kept = new Map<string, { value: number }>();
  readonly #names = new Map<string, Set<string>>();
  readonly #share: number;

  /** @param tenants how many organizations there are */
  constructor(metrics: Metrics, tenants: number) {
    this.#metrics = metrics;
    this.#share = Math.max(1, Math.min(MAX_NAMES_OF_TENANT, Math.floor(MAX_NAMES / tenants)));
    this.#values = metrics.histogram<'name'>('saga_script_value', 'What scripts measure with statsd_client.', [1, 10, 100, 1000, 10_000]);
  }

  record(tenant: string, kind: 'count' | 'histogram' | 'gauge' | 'set', given: string, value: number): void {
    const name = this.#nameOf(tenant, given);
    if (!Number.isFinite(value)) return;
    switch (kind) {
      case 'count':
        // Scripts may also decrement, which Prometheus counters do not support.
        this.#of('saga_script_count', 'What scripts count with statsd_client.', name).value += value;
        return;
      case 'histogram':
        this.#values.record(value, { name });
        return;
      case 'gauge':
        this.#of('saga_script_gauge', 'Values that scripts send with statsd_client.', name).value = value;
        return;
      case 'set':
        // Counting distinct values is the task of a statistics server; this counts how many were sent.
        this.#of('saga_script_count', 'What scripts count with statsd_client.', name).value += 1;
        return;
    }
  }

  /** Names beyond an organization's share have one series together. */
  #nameOf(tenant: string, given: string): string {
    if (!NAME.test(given)) return 'other';
    const names = this.#names.get(tenant) ?? new Set();
    this.#names.set(tenant, names);
    if (!names.has(given) && names.size >= this.#share) return 'other';
    names.add(given);
    return given;
  }

  #of(metric: string, description: string, name: string): { value: number } {
    const key = `${metric} ${name}`;
    const known = this.#kept.get(key);
    if (known !== undefined) return known;
    const made = { value: 0 };
    this.#kept.set(key, made);
    this.#metrics.gauge(metric, description, () => made.value, { name });
    return made;
  }
}
