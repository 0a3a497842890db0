/**
 * Queue of waiting runs. Tenants take turns, and within a tenant its runnables; the concurrent runs of each are limited. Runs of one
 * runnable with the same order key never run concurrently and keep their order.
 */
export interface Queued {
  readonly tenant: string;
  readonly runnable: string;
  /** Runs with the same key run in order; undefined if there is no order. */
  readonly orderKey: string | undefined;
}

export interface QueueLimits {
  readonly perTenant: number;
  readonly perRunnable: number;
}

class WaitingRuns<Run> {
  readonly ready: Run[] = [];
  /** Runs that wait for another one with the same key. */
  readonly behind = new Map<string, Run[]>();
  running = 0;
  waiting = 0;
}

class Tenant<Run> {
  readonly runnables = new Map<string, WaitingRuns<Run>>();
  /** The order of turns: the first that may run is next. */
  turns: string[] = [];
  running = 0;
  waiting = 0;
}

export class FairQueue<Run extends Queued> {
  readonly #limits: QueueLimits;
  readonly #tenants = new Map<string, Tenant<Run>>();
  #turns: string[] = [];

  constructor(limits: QueueLimits) {
    this.#limits = limits;
  }

  get waiting(): number {
    let sum = 0;
    for (const tenant of this.#tenants.values()) sum += tenant.waiting;
    return sum;
  }

  /** Number of waiting runs of a tenant, or of one of its runnables. */
  waitingOf(tenant: string, runnable?: string): number {
    const of = this.#tenants.get(tenant);
    return (runnable === undefined ? of : of?.runnables.get(runnable))?.waiting ?? 0;
  }

  add(run: Run): void {
    const tenant = this.#tenantOf(run);
    const own = this.#runnableOf(tenant, run);
    tenant.waiting += 1;
    own.waiting += 1;
    if (run.orderKey === undefined) own.ready.push(run);
    else {
      const behind = own.behind.get(run.orderKey);
      if (behind !== undefined) behind.push(run);
      else {
        own.behind.set(run.orderKey, []);
        own.ready.push(run);
      }
    }
  }

  /** The next run that may start and for which there is room; it counts as running until `ended`, and keeps its key until `settled`. */
  next(hasRoom: (run: Run) => boolean): Run | undefined {
    for (let turn = 0; turn < this.#turns.length; turn += 1) {
      const name = this.#turns[turn] ?? '';
      const tenant = this.#tenants.get(name);
      if (tenant === undefined || tenant.running >= this.#limits.perTenant) continue;
      const run = this.#nextOf(tenant, hasRoom);
      if (run === undefined) continue;
      this.#turns = [...this.#turns.slice(0, turn), ...this.#turns.slice(turn + 1), name];
      return run;
    }
    return undefined;
  }

  /** Another run may start in the place of this one. Those with its key wait for `settled`. */
  ended(run: Run): void {
    const tenant = this.#tenants.get(run.tenant);
    const own = tenant?.runnables.get(run.runnable);
    if (tenant === undefined || own === undefined) return;
    tenant.running -= 1;
    own.running -= 1;
    this.#forget(tenant, run);
  }

  /** Nothing of a run that has ended is under way any more: the next one with its key may start. */
  settled(run: Run): void {
    const tenant = this.#tenants.get(run.tenant);
    const own = tenant?.runnables.get(run.runnable);
    if (tenant === undefined || own === undefined || run.orderKey === undefined) return;
    const next = own.behind.get(run.orderKey)?.shift();
    if (next !== undefined) own.ready.push(next);
    else own.behind.delete(run.orderKey);
    this.#forget(tenant, run);
  }

  /** Returns a run that could not start to the front. It keeps its key. */
  again(run: Run): void {
    const tenant = this.#tenantOf(run);
    const own = this.#runnableOf(tenant, run);
    tenant.running -= 1;
    own.running -= 1;
    tenant.waiting += 1;
    own.waiting += 1;
    own.ready.unshift(run);
  }

  /** Takes out all waiting runs: they do not start here any more. */
  takeWaiting(): Run[] {
    const taken: Run[] = [];
    for (const tenant of this.#tenants.values()) {
      for (const own of tenant.runnables.values()) {
        for (const runs of [own.ready, ...own.behind.values()]) taken.push(...runs.splice(0));
        tenant.waiting -= own.waiting;
        own.waiting = 0;
      }
    }
    return taken;
  }

  #nextOf(tenant: Tenant<Run>, hasRoom: (run: Run) => boolean): Run | undefined {
    for (let turn = 0; turn < tenant.turns.length; turn += 1) {
      const name = tenant.turns[turn] ?? '';
      const own = tenant.runnables.get(name);
      const [run] = own?.ready ?? [];
      if (own === undefined || run === undefined || own.running >= this.#limits.perRunnable || !hasRoom(run)) continue;
      own.ready.shift();
      own.running += 1;
      own.waiting -= 1;
      tenant.running += 1;
      tenant.waiting -= 1;
      tenant.turns = [...tenant.turns.slice(0, turn), ...tenant.turns.slice(turn + 1), name];
      return run;
    }
    return undefined;
  }

  #tenantOf({ tenant: name }: Queued): Tenant<Run> {
    let tenant = this.#tenants.get(name);
    if (tenant === undefined) {
      tenant = new Tenant();
      this.#tenants.set(name, tenant);
      this.#turns.push(name);
    }
    return tenant;
  }

  #runnableOf(tenant: Tenant<Run>, { runnable: name }: Queued): WaitingRuns<Run> {
    let own = tenant.runnables.get(name);
    if (own === undefined) {
      own = new WaitingRuns();
      tenant.runnables.set(name, own);
      tenant.turns.push(name);
    }
    return own;
  }

  /** Removes empty entries. */
  #forget(tenant: Tenant<Run>, { tenant: name, runnable }: Queued): void {
    const own = tenant.runnables.get(runnable);
    if (own !== undefined && own.running === 0 && own.waiting === 0 && own.behind.size === 0) {
      tenant.runnables.delete(runnable);
      tenant.turns = tenant.turns.filter((other) => other !== runnable);
    }
    if (tenant.runnables.size > 0) return;
    this.#tenants.delete(name);
    this.#turns = this.#turns.filter((other) => other !== name);
  }
}
