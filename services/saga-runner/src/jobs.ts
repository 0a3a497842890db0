/**
 * Starts jobs by their schedules. One runner at a time is responsible for a tenant (a lease with a fence); each tick is claimed in the
 * store with an id derived from the job and the tick, so it starts once even if two runners believe to be responsible. A running job is not
 * started again, and ticks missed while no runner was responsible are skipped.
 */
import { createHash } from 'node:crypto';
import { operationId } from '@polyedge/contracts/operation-id';
import type { Lease, Leases } from '@polyedge/journal/lease';
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

  /** Starts a job now, unless it is running. */
  async startNow(wanted: RunRequest): Promise<boolean> {
    const { runnable } = wanted;
    const key = JSON.stringify([runnable.tenant, runnable.id]);
    if (this.#running.has(key)) return false;
    const lease = await this.#options.leases.take(`job:${key}`, RUNNING_MS);
    if (lease === undefined) return false;
    this.#running.set(key, lease);
    const handOver = async (): Promise<boolean> => {
      // The next runner needs it.
      this.#running.delete(key);
      await lease.release();
      return this.#options.handOver(wanted);
    };
    void this.#options.runs.start({ ...wanted, handOver }).finally(() => {
      this.#running.delete(key);
      void lease.release();
    });
    return true;
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
        const lease = this.#left ? undefined : await this.#options.leases.take(`charge:${tenant}`, CHARGE_MS);
        if (lease === undefined) continue;
        if (this.#left) {
          await lease.release();
          continue;
        }
        this.#charge.set(tenant, lease);
        // Earlier ticks are skipped.
        for (const key of this.#due.keys()) if (key.startsWith(JSON.stringify([tenant]).slice(0, -1))) this.#due.delete(key);
      }
      for (const lease of this.#running.values()) await lease.renew(RUNNING_MS);
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
        const key = JSON.stringify([job.tenant, job.id]);
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
    const { writing, log } = this.#options;
    const key = JSON.stringify([job.tenant, job.id]);
    if (this.#running.has(key)) return;
    const call = digestId('job', job.tenant, job.id, String(tick));
    const set = { last_run_at: new Date(tick).toISOString(), next_run_at: next === undefined ? null : new Date(next).toISOString() };
    const taken = await writing.write(
      { tenant: job.tenant, scope: job.scope, lane: job.id },
      {
        operationId: operationId(tick, createHash('sha256').update(call).digest()),
        by: APP,
        app: APP,
        origin: { protocol: 'saga', way: 'job', operation: 'tick' },
        operations: [{ op: 'update', target: { id: job.id, where: ofType(TYPES.job) }, set }],
      },
    );
    // Another runner has started it.
    if (!taken.ok || taken.value.repeated === true) return;
    const started = await this.startNow({
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
    if (!started) log.info('a job runs still: a tick is left out', { id: job.id });
  }
}
