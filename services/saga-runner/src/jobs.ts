/**
 * Starts jobs by their schedules. One runner at a time is responsible for a tenant (a lease with a fence); each tick is claimed in the
 * store with an id derived from the job and the tick, so it starts once even if two runners believe to be responsible. A running job is not
 * started again, and ticks missed while no runner was responsible are skipped.
 */
import { createHash } from 'node:crypto';
import { operationId } from '@polyedge/contracts/operation-id';
import type { Lease, Leases } from '@polyedge/journal/lease';
import type { JsonObject } from '@polyedge/query/json';
import { ofType, TYPES } from '@polyedge/saga/elements';
import { nextTick } from '@polyedge/saga/schedule';
import type { Log } from '@polyedge/service-kit/log';
import type { RunRequest } from './run.ts';
import type { Runnable } from './runnable.ts';
import type { RunnableTable } from './runnable-table.ts';
import type { Runs } from './runs.ts';
import { APP, digestId, type Writing } from './writing.ts';

const LOOK_MS = 200;
const RENEW_MS = 1000;
const CHARGE_MS = 5000;
const RUNNING_MS = 15_000;

export interface JobsOptions {
  readonly leases: Pick<Leases, 'take'>;
  readonly runs: Pick<Runs, 'start'>;
  readonly writing: Writing;
  readonly tables: readonly RunnableTable[];
  /** Gives a run to another runner; false if none takes it. */
  handOver(wanted: RunRequest): Promise<boolean>;
  readonly log: Log;
}

interface Due {
  readonly schedule: string;
  readonly timezone: string;
  at: number | undefined;
}

export class Jobs {
  readonly #options: JobsOptions;
  readonly #charge = new Map<string, Lease>();
  readonly #due = new Map<string, Due>();
  readonly #running = new Map<string, Lease>();
  readonly #looking: NodeJS.Timeout;
  readonly #keeping: NodeJS.Timeout;
  #lookedAt = 0;
  #renewing = false;
  #left = false;

  constructor(options: JobsOptions) {
    this.#options = options;
    this.#looking = setInterval(() => this.#look(), LOOK_MS);
    this.#keeping = setInterval(() => void this.#renew(), RENEW_MS);
    void this.#renew();
  }

  /** Number of tenants that this runner is responsible for. */
  get inCharge(): number {
    return this.#charge.size;
  }

  isInCharge(tenant: string): boolean {
    return this.#charge.has(tenant);
  }

  /** Starts no more ticks: another runner takes charge. */
  async leave(): Promise<void> {
    this.#left = true;
    clearInterval(this.#looking);
    const charges = [...this.#charge.values()];
    this.#charge.clear();
    await Promise.all(charges.map((lease) => lease.release()));
  }

  async close(): Promise<void> {
    await this.leave();
    clearInterval(this.#keeping);
    await Promise.all([...this.#running.values()].map((lease) => lease.release()));
  }

  /** Starts a job now, unless it is running or Redis, which knows whether it is, does not answer. */
  async startNow(wanted: RunRequest): Promise<'started' | 'running' | 'unavailable'> {
    const key = keyOf(wanted.runnable);
    const taken = await this.#take(key);
    if (taken === 'taken') this.#start(key, wanted);
    return taken === 'taken' ? 'started' : taken;
  }

  /** Holds a job for its next run, so that it does not start a second time. */
  async #take(key: string): Promise<'taken' | 'running' | 'unavailable'> {
    if (this.#running.has(key)) return 'running';
    const lease = await this.#options.leases.take(runningLease(key), RUNNING_MS);
    if (typeof lease === 'string') return lease === 'held' ? 'running' : lease;
    this.#running.set(key, lease);
    return 'taken';
  }

  async #release(key: string): Promise<void> {
    const lease = this.#running.get(key);
    this.#running.delete(key);
    await lease?.release();
  }

  #start(key: string, wanted: RunRequest): void {
    const handOver = async (): Promise<boolean> => {
      // The next runner needs it.
      await this.#release(key);
      return this.#options.handOver(wanted);
    };
    void this.#options.runs.start({ ...wanted, handOver }).finally(() => this.#release(key));
  }

  async #renew(): Promise<void> {
    if (this.#renewing) return;
    this.#renewing = true;
    try {
      for (const { tenant } of this.#options.tables) {
        const held = this.#charge.get(tenant);
        if (held !== undefined) {
          if (!(await held.renew(CHARGE_MS))) this.#charge.delete(tenant);
          continue;
        }
        const lease = this.#left ? 'held' : await this.#options.leases.take(`charge:${tenant}`, CHARGE_MS);
        if (typeof lease !== 'object') continue;
        if (this.#left) {
          await lease.release();
          continue;
        }
        this.#charge.set(tenant, lease);
        // Earlier ticks are skipped.
        for (const key of this.#due.keys()) if (key.startsWith(JSON.stringify([tenant]).slice(0, -1))) this.#due.delete(key);
      }
      for (const [key, lease] of this.#running) {
        if ((await lease.renew(RUNNING_MS)) || this.#running.get(key) !== lease) continue;
        // Redis has lost it: the job is still running.
        const again = await this.#options.leases.take(runningLease(key), RUNNING_MS);
        if (typeof again === 'string') continue;
        if (this.#running.get(key) === lease) this.#running.set(key, again);
        else await again.release();
      }
    } finally {
      this.#renewing = false;
    }
  }

  #look(): void {
    const now = Date.now();
    // The clock was set back: ticks that were waited for are further away than the next ones. What was claimed does not start again.
    if (now < this.#lookedAt) this.#due.clear();
    this.#lookedAt = now;
    for (const table of this.#options.tables) {
      if (!this.#charge.has(table.tenant)) continue;
      const known = new Set<string>();
      for (const job of table.jobs()) {
        if (!job.enabled || job.schedule === undefined) continue;
        const key = keyOf(job);
        known.add(key);
        const due = this.#dueOf(key, job, now);
        if (due.at === undefined || due.at > now) continue;
        const tick = due.at;
        due.at = nextTick(due, Math.max(now, tick));
        void this.#tick(job, tick, due.at);
      }
      for (const key of this.#due.keys())
        if (key.startsWith(JSON.stringify([table.tenant]).slice(0, -1)) && !known.has(key)) this.#due.delete(key);
    }
  }

  #dueOf(key: string, { schedule = '', timezone }: Runnable, now: number): Due {
    const known = this.#due.get(key);
    if (known?.schedule === schedule && known.timezone === timezone) return known;
    const due = { schedule, timezone, at: nextTick({ schedule, timezone }, now) };
    this.#due.set(key, due);
    return due;
  }

  async #tick(job: Runnable, tick: number, next: number | undefined): Promise<void> {
    const key = keyOf(job);
    // Before the tick is claimed: one that cannot start now is not recorded as a run.
    const taken = await this.#take(key);
    const next_run_at = next === undefined ? null : new Date(next).toISOString();
    if (taken !== 'taken') {
      const why = taken === 'running' ? 'the job is still running' : 'Redis does not answer';
      this.#options.log.info(`skipped a tick of a job: ${why}`, { id: job.id });
      await this.#note(job, tick, digestId('skip', job.tenant, job.id, String(tick)), { next_run_at });
      return;
    }
    const call = digestId('job', job.tenant, job.id, String(tick));
    const isOurs = await this.#note(job, tick, call, { last_run_at: new Date(tick).toISOString(), next_run_at });
    if (!isOurs) {
      await this.#release(key);
      return;
    }
    this.#start(key, {
      runnable: job,
      call,
      seed: call,
      at: tick,
      parameters: [],
      context: { scheduled_at: new Date(tick).toISOString() },
      orderKey: undefined,
      property: undefined,
      depth: 1,
      chain: call,
      parentCall: undefined,
      testData: false,
      http: false,
    });
  }

  /** Writes to the job. @returns false if it fails, or another runner has written it */
  async #note(job: Runnable, tick: number, id: string, set: JsonObject): Promise<boolean> {
    const written = await this.#options.writing.write(
      { tenant: job.tenant, scope: job.scope, lane: job.id },
      {
        operationId: operationId(tick, createHash('sha256').update(id).digest()),
        by: APP,
        app: APP,
        origin: { protocol: 'saga', way: 'job', operation: 'tick' },
        operations: [{ op: 'update', target: { id: job.id, where: ofType(TYPES.job) }, set }],
      },
    );
    return written.ok && written.value.repeated !== true;
  }
}

const runningLease = (key: string): string => `job:${key}`;
const keyOf = ({ tenant, id }: Runnable): string => JSON.stringify([tenant, id]);
