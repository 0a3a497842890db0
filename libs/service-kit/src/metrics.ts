/**
 * Metrics over the OpenTelemetry API. Counting on a hot path is one addition to a plain number; a reader collects the numbers on demand.
 * Labels are few and from small sets: never an id or a tenant.
 */
import { type Attributes, createNoopMeter, type Meter } from '@opentelemetry/api';

/** One series of a counter. Keep a reference to it: looking it up costs more than counting. */
export class Count {
  value = 0;

  add(by = 1): void {
    this.value += by;
  }
}

export interface Counter<Label extends string> {
  /** The series with these label values. Above 500 series of one counter, further ones share a series labelled `other`. */
  with(labels: Readonly<Record<Label, string>>): Count;
}

export interface Histogram<Label extends string> {
  /** Costs about a microsecond. Seconds where the name ends in `_seconds`. */
  record(value: number, labels: Readonly<Record<Label, string>>): void;
}

const MAX_SERIES = 500;
/** Seconds: from fast replies on the loopback to the longest time-out. */
const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export class Metrics {
  readonly #meter: Meter;
  /** The exported numbers, for `figures`; without histograms. */
  readonly #readers: { readonly name: string; read(): number }[] = [];

  constructor(meter: Meter) {
    this.#meter = meter;
  }

  /** A number that only grows. Its exported name ends in `_total`. */
  counter<Label extends string = never>(name: string, description: string): Counter<Label> {
    const series = new Map<string, { readonly attributes: Attributes; readonly count: Count }>();
    this.#readers.push({ name, read: () => sumOf(series.values()) });
    this.#meter.createObservableCounter(name, { description }).addCallback((result) => {
      for (const { attributes, count } of series.values()) result.observe(count.value, attributes);
    });
    return {
      with: (labels) => {
        let key = JSON.stringify(labels);
        let attributes: Attributes = { ...labels };
        if (!series.has(key) && series.size >= MAX_SERIES) {
          attributes = Object.fromEntries(Object.keys(labels).map((label) => [label, 'other']));
          key = 'other';
        }
        const found = series.get(key);
        if (found !== undefined) return found.count;
        const count = new Count();
        series.set(key, { attributes, count });
        return count;
      },
    };
  }

  /** A counter that is maintained elsewhere; `read` is called when the metrics are collected. */
  counterOf(name: string, description: string, read: () => number, labels: Readonly<Record<string, string>> = {}): void {
    this.#readers.push({ name: `${name}${labelText(labels)}`, read });
    this.#meter.createObservableCounter(name, { description }).addCallback((result) => result.observe(read(), labels));
  }

  /** Exports every number of an object as `<prefix>_<name_in_snake_case>`. The keys of the object must not change. */
  countersOf(prefix: string, description: string, counts: object, labels: Readonly<Record<string, string>> = {}): void {
    for (const name of Object.keys(counts)) {
      const exported = `${prefix}_${name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}`;
      const read = (): number => {
        const value: unknown = Reflect.get(counts, name);
        return typeof value === 'number' ? value : 0;
      };
      this.counterOf(exported, description, read, labels);
    }
  }

  /** A number that rises and falls; `read` is called when the metrics are collected. */
  gauge(name: string, description: string, read: () => number, labels: Readonly<Record<string, string>> = {}): void {
    this.#readers.push({ name: `${name}${labelText(labels)}`, read });
    this.#meter.createObservableGauge(name, { description }).addCallback((result) => result.observe(read(), labels));
  }

  /** Counters and gauges that are not 0, by name and labels (`edge_connections{edge="hiro"}`); the series of a `counter` as their sum. At most `limit`. */
  figures(limit: number): Record<string, number> {
    const figures: Record<string, number> = {};
    let count = 0;
    for (const { name, read } of this.#readers) {
      if (count >= limit) break;
      const value = read();
      if (value === 0 || !Number.isFinite(value)) continue;
      figures[name] = value;
      count += 1;
    }
    return figures;
  }

  /** A distribution; `boundaries` default to those for seconds. */
  histogram<Label extends string = never>(name: string, description: string, boundaries: readonly number[] = SECONDS): Histogram<Label> {
    const histogram = this.#meter.createHistogram(name, { description, advice: { explicitBucketBoundaries: [...boundaries] } });
    return { record: (value, labels) => histogram.record(value, labels) };
  }
}

function sumOf(series: Iterable<{ readonly count: Count }>): number {
  let sum = 0;
  for (const { count } of series) sum += count.value;
  return sum;
}

function labelText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

/** Metrics that are not collected. */
export const noMetrics = (): Metrics => new Metrics(createNoopMeter());
