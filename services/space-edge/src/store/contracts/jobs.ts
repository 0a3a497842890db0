/**
 * Runs jobs (`contracts/job.ts`): each mutation contains a batch of contracts and the progress, until none is left. The replica that
 * receives the request runs the job; if it dies, any other one takes over when the lease expires. The lease only avoids duplicate work: the
 * version of each contract prevents two replicas from changing it twice.
 */
import { randomBytes } from 'node:crypto';
import { ALWAYS_FITTING, type Operation } from '@polyedge/contracts/bus/graph';
import type { Failure } from '@polyedge/contracts/errors';
import type { Filter } from '@polyedge/query/filter';
import type { JsonObject } from '@polyedge/query/json';
import type { Log } from '@polyedge/service-kit/log';
import type { Contract } from '../../contracts/contract.ts';
import {
  done,
  groupName,
  JOB_GROUP,
  JOB_MARK,
  JOB_TYPE,
  type Job,
  left,
  newJob,
  pricingsOf,
  type Task,
  toJob,
} from '../../contracts/job.ts';
import { got, type Result, refused } from '../../protocol/answer.ts';
import { usageId } from '../../usage/levels.ts';
import { isType } from '../catalogue/service-parts.ts';
import { deleteAll } from '../delete-all.ts';
import { type Graph, newId } from '../graph.ts';
import { joined } from './contracts.ts';
import { novationOperations } from './novations.ts';

/** Maximum contracts per mutation. */
const MAX_BATCH = 100;
/** The store accepts 1,000; contracts need as many as they have levels. */
const MAX_OPERATIONS = 900;
const LEASE_MS = 5000;
const LOOK_MS = 2000;
const STOP_MS = 2000;
/** How long a call waits for its job, which continues afterwards. */
const WAIT_MS = 30_000;
/** How long finished jobs can be read. */
const KEEP_MS = 7 * 24 * 3_600_000;
const MAX_SHOWN = 100;

export interface JobsOptions {
  readonly graph: Graph;
  readonly now: () => number;
  readonly log: Log;
}

/** A job's vertex, created by the mutation that it belongs to. */
export interface Planned {
  readonly id: string;
  /** Fail the mutation with `conflict` if a job of the same group is running. */
  readonly operations: readonly Operation[];
  /** Number of contracts to change. */
  readonly total: number;
  readonly task: Task;
  readonly by: string;
  readonly organizationId: string;
}

export class Jobs {
  readonly #graph: Graph;
  readonly #now: () => number;
  readonly #log: Log;
  /** This replica's name in leases. */
  readonly #name = randomBytes(8).toString('hex');
  readonly #running = new Map<string, Promise<void>>();
  #timer: NodeJS.Timeout | undefined;
  #swept = 0;
  #stopped = false;

  constructor({ graph, now, log }: JobsOptions) {
    this.#graph = graph;
    this.#now = now;
    this.#log = log;
  }

  /** Starts looking for jobs whose owner has died. */
  start(): void {
    if (!this.#stopped) {
      const look = (): void => void this.#look().catch((err: unknown) => this.#log.error('looking for jobs failed unexpectedly', { err }));
      this.#timer = setTimeout(look, LOOK_MS * (0.5 + Math.random()));
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    // A running batch may finish, unless the store does not answer.
    await Promise.race([Promise.allSettled(this.#running.values()), new Promise((resolve) => setTimeout(resolve, STOP_MS).unref())]);
  }

  async plan(by: string, organizationId: string, task: Task): Promise<Result<Planned>> {
    const id = newId();
    const counted = await this.#graph.find(left(id, task), { limit: 0, count: true });
    if (!counted.ok) return refused(counted.failure);
    const attributes = { ...newJob(by, organizationId, task, counted.value.count), owner: this.#name, until: this.#now() + LEASE_MS };
    const create: Operation = { op: 'create', type: JOB_TYPE, id, attributes };
    const operations = 'groupId' in task ? takingGroup(create, groupName(task.groupId, task.organizationId)) : [create];
    return got({ id, operations, total: counted.value.count, task, by, organizationId });
  }

  /**
   * Runs a stored job.
   * @returns whether it is finished; after a while the answer does not wait any longer
   */
  async run(id: string): Promise<boolean> {
    const finished = this.#start(id).then(() => true);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<boolean>((resolve) => {
      timer = setTimeout(resolve, WAIT_MS, false);
    });
    return Promise.race([finished, late]).finally(() => clearTimeout(timer));
  }

  /** Finishes the running jobs of a service. @returns whether none is left */
  settleService(serviceId: string): Promise<Result<boolean>> {
    return this.#settle(aboutService(serviceId));
  }

  /** Finishes the running jobs of a group. @returns whether none is left */
  settleGroup(groupId: string, organizationId: string): Promise<Result<boolean>> {
    return this.#settle({ test: 'equal', path: ['attributes', JOB_GROUP], value: groupName(groupId, organizationId) });
  }

  /** So that the next change starts from a consistent state. */
  async #settle(about: Filter): Promise<Result<boolean>> {
    const jobs = await this.#find([about, RUNNING], MAX_SHOWN);
    if (!jobs.ok) return jobs;
    for (const job of jobs.value) {
      if (!(await this.run(job.id))) return got(false);
    }
    return got(true);
  }

  /** The jobs of a service, latest first. */
  ofService(serviceId: string): Promise<Result<Job[]>> {
    return this.#find([aboutService(serviceId)], MAX_SHOWN);
  }

  async #find(filters: readonly Filter[], limit: number): Promise<Result<Job[]>> {
    const found = await this.#graph.find(
      { all: [isType(JOB_TYPE), ...filters] },
      { limit, sort: [{ path: ['created', 'on'], order: 'desc' }] },
    );
    return found.ok ? got(found.value.elements.flatMap((element) => toJob(element) ?? [])) : refused(found.failure);
  }

  async #look(): Promise<void> {
    try {
      await this.#takeOver();
    } finally {
      this.start();
    }
  }

  async #takeOver(): Promise<void> {
    const orphans = await this.#find([RUNNING, { test: 'less', path: ['attributes', 'until'], value: this.#now() }], 10);
    if (orphans.ok) for (const { id } of orphans.value) await this.#start(id);
    if (this.#now() - this.#swept > 3_600_000) {
      this.#swept = this.#now();
      const old: Filter = {
        all: [isType(JOB_TYPE), { not: RUNNING }, { test: 'less', path: ['modified', 'on'], value: this.#now() - KEEP_MS }],
      };
      await deleteAll(this.#graph, { operation: 'job-sweep', by: '', filter: old, quiet: true });
    }
  }

  #start(id: string): Promise<void> {
    const known = this.#running.get(id);
    if (known !== undefined) return known;
    const run = this.#work(id)
      .catch((err: unknown) => this.#log.error('a job failed unexpectedly', { err, id }))
      .finally(() => this.#running.delete(id));
    this.#running.set(id, run);
    return run;
  }

  async #work(id: string): Promise<void> {
    let size = MAX_BATCH;
    let pricings: ReadonlyMap<string, JsonObject> | undefined;
    while (!this.#stopped) {
      const element = await this.#graph.get([id]);
      const job = element.ok ? element.value.flatMap((one) => toJob(one) ?? [])[0] : undefined;
      if (!element.ok) {
        await pause();
        continue;
      }
      if (job === undefined || job.state !== 'running') return;
      pricings ??= await this.#pricings(job.task);
      const batch = await this.#batch(job, size);
      if (pricings === undefined || batch === undefined) {
        await pause();
        continue;
      }
      if (batch === 'too-large') {
        size = size > ALWAYS_FITTING ? ALWAYS_FITTING : Math.max(1, size >> 1);
        continue;
      }
      const outcome = await (batch === 'none' ? this.#finish(job, 'done') : this.#change(job, batch, pricings));
      if (outcome === 'again') {
        // One of them was changed concurrently: smaller batches succeed more easily.
        size = Math.max(1, size >> 1);
        await pause();
      } else if (outcome === 'impossible' && size > 1) size = 1;
      else if (outcome === 'impossible') await this.#finish(job, 'failed');
      else size = Math.min(MAX_BATCH, size * 2);
    }
  }

  async #pricings(task: Task): Promise<ReadonlyMap<string, JsonObject> | undefined> {
    const pricings = new Map<string, JsonObject>();
    const read = await this.#graph.each(pricingsOf(task), ({ id, attributes }) => pricings.set(id, attributes));
    return read.ok ? pricings : undefined;
  }

  /** Undefined if the store cannot be read now. */
  async #batch(job: Job, limit: number): Promise<readonly Contract[] | 'none' | 'too-large' | undefined> {
    const failure = ({ code }: Failure) => (code === 'too-large' ? code : undefined);
    const found = await this.#graph.find(left(job.id, job.task), { limit });
    if (!found.ok) return failure(found.failure);
    const contracts = found.value.elements;
    if (contracts.length === 0) return 'none';
    const usages = await this.#graph.get(contracts.map(({ id }) => usageId(id)));
    return usages.ok ? joined([...contracts, ...usages.value]) : failure(usages.failure);
  }

  async #change(
    job: Job,
    batch: readonly Contract[],
    pricings: ReadonlyMap<string, JsonObject>,
  ): Promise<'changed' | 'again' | 'impossible'> {
    const now = this.#now();
    const operations: Operation[] = [];
    let count = 0;
    // Deleted since it was found, or damaged: the next read will show.
    if (batch.length === 0) return 'impossible';
    for (const contract of batch) {
      const novated = done(job.task, contract, pricings, now);
      if (novated === undefined) return 'impossible';
      const more = novationOperations(contract, novated, 'groupId' in job.task ? { [JOB_MARK]: job.id } : {});
      if (count > 0 && operations.length + more.length > MAX_OPERATIONS) break;
      operations.push(...more);
      count += 1;
    }
    operations.push({
      op: 'apply',
      target: { id: job.id, where: isType(JOB_TYPE) },
      attribute: 'done',
      operator: 'incr',
      value: count,
      set: { owner: this.#name, until: now + LEASE_MS },
      before: RUNNING,
    });
    const written = await this.#graph.write(`contract-${job.task.kind}`, job.by, operations, true);
    if (written.ok) return 'changed';
    const { code } = written.failure;
    return code === 'too-large' || code === 'invalid' ? 'impossible' : 'again';
  }

  async #finish(job: Job, state: 'done' | 'failed'): Promise<'changed' | 'again'> {
    if (state === 'failed') this.#log.error('a job cannot be carried out', { id: job.id, type: job.task.kind });
    const written = await this.#graph.write(
      'job-finish',
      job.by,
      [{ op: 'update', target: { id: job.id, where: isType(JOB_TYPE) }, before: RUNNING, set: { state } }],
      true,
    );
    return written.ok ? 'changed' : 'again';
  }
}

/** Creates a job as the only running one of its group. */
function takingGroup(create: Extract<Operation, { op: 'create' }>, group: string): Operation[] {
  const ended: Filter = { all: [isType(JOB_TYPE), { test: 'equal', path: ['attributes', JOB_GROUP], value: group }, { not: RUNNING }] };
  return [
    { op: 'update', target: { where: ended }, set: { [JOB_GROUP]: null } },
    { ...create, unique: [JOB_GROUP] },
  ];
}

const RUNNING: Filter = { test: 'equal', path: ['attributes', 'state'], value: 'running' };
const aboutService = (id: string): Filter => ({ test: 'equal', path: ['attributes', 'service'], value: id });
const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20 + Math.random() * 80));
