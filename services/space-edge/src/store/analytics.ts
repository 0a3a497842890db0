/**
 * Counts calls of the interface by day (UTC), over all replicas. Counts are kept in memory and added to the day's vertex every few seconds,
 * so a call writes nothing. A killed process loses its counts since then.
 */
import type { Operation } from '@polyedge/contracts/bus/graph';
import { got, type Result, refused } from '../protocol/answer.ts';
import { SPACE } from '../protocol/event.ts';
import type { Graph } from './graph.ts';

const METRICS = ['apiCalls', 'evaluations'] as const;
export type Metric = (typeof METRICS)[number];
type Counts = Readonly<Record<Metric, number>>;

export interface Week {
  /** Short names of the days, today last. */
  readonly labels: readonly string[];
  readonly data: readonly number[];
}

const TYPE = 'space/AnalyticsDay';
const DAY_MS = 86_400_000;
const DAYS = 7;
const NAMES = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];

export class Analytics {
  readonly #graph: Graph;
  readonly #now: () => number;
  readonly #timer: NodeJS.Timeout;
  #pending = new Map<string, Counts>();
  #flushing: Promise<void> = Promise.resolve();
  #day = '';
  #dayEnds = 0;

  constructor(options: { readonly graph: Graph; readonly now: () => number; readonly flushMs: number }) {
    this.#graph = options.graph;
    this.#now = options.now;
    this.#timer = setInterval(() => void this.flush(), options.flushMs);
    this.#timer.unref();
  }

  count(evaluation: boolean): void {
    const now = this.#now();
    // Computing a date for every call would be expensive; once a day is enough.
    if (now >= this.#dayEnds) {
      this.#day = dayOf(now);
      this.#dayEnds = now - (now % DAY_MS) + DAY_MS;
    }
    this.#add(this.#day, { apiCalls: 1, evaluations: evaluation ? 1 : 0 });
  }

  /** The last seven days. This replica's counts are included; those of others appear with their next flush. */
  async week(metric: Metric): Promise<Result<Week>> {
    await this.flush();
    const today = this.#now();
    const days = Array.from({ length: DAYS }, (_, at) => today - (DAYS - 1 - at) * DAY_MS);
    const found = await this.#graph.get(days.map((day) => this.#id(dayOf(day))));
    if (!found.ok) return refused(found.failure);
    const stored = new Map(found.value.map(({ id, attributes }) => [id, attributes[metric]]));
    return got({
      labels: days.map((day) => NAMES[new Date(day).getUTCDay()] ?? ''),
      data: days.map((day) => {
        const count = stored.get(this.#id(dayOf(day)));
        // Includes counts that could not be stored yet.
        return (typeof count === 'number' ? count : 0) + (this.#pending.get(dayOf(day))?.[metric] ?? 0);
      }),
    });
  }

  /** Stores the counts; those that cannot be stored are kept for the next time. Never rejects. */
  flush(): Promise<void> {
    this.#flushing = this.#flushing.then(() => this.#store());
    return this.#flushing;
  }

  /** Stores the rest and stops. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.flush();
  }

  async #store(): Promise<void> {
    if (this.#pending.size === 0) return;
    const counted = this.#pending;
    this.#pending = new Map();
    const operations = [...counted].flatMap(([day, counts]) => METRICS.map((metric) => this.#increment(day, metric, counts[metric])));
    const written = await this.#graph.write('analytics', SPACE, operations, true);
    if (!written.ok) for (const [day, counts] of counted) this.#add(day, counts);
  }

  #increment(day: string, metric: Metric, value: number): Operation {
    const id = this.#id(day);
    return {
      op: 'apply',
      target: { id, where: { test: 'equal', path: ['type'], value: TYPE } },
      attribute: metric,
      operator: 'incr',
      value,
      ifMissing: { type: TYPE, id, attributes: { day } },
    };
  }

  #add(day: string, { apiCalls, evaluations }: Counts): void {
    const before = this.#pending.get(day);
    this.#pending.set(day, {
      apiCalls: (before?.apiCalls ?? 0) + apiCalls,
      evaluations: (before?.evaluations ?? 0) + evaluations,
    });
    // If the store stays unavailable, days that can no longer be queried are dropped.
    if (this.#pending.size > DAYS) this.#pending.delete([...this.#pending.keys()].sort()[0] ?? '');
  }

  #id(day: string): string {
    return `space.analytics.${this.#graph.tenant}.${day}`;
  }
}

const dayOf = (time: number): string => new Date(time).toISOString().slice(0, 10);
