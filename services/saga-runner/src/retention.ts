/** Deletes old runnable calls and logs page by page; done by the runner that is responsible for the jobs. */
import { randomBytes } from 'node:crypto';
import { graphQuery } from '@polyedge/contracts/bus/graph';
import { operationId } from '@polyedge/contracts/operation-id';
import { both, TYPES } from '@polyedge/saga/elements';
import type { Bus } from '@polyedge/service-kit/bus';
import type { Log } from '@polyedge/service-kit/log';
import type { Jobs } from './jobs.ts';
import type { RunnableTable } from './runnable-table.ts';
import { APP, type Writing } from './writing.ts';

const EVERY_MS = 60_000;
const PAGE = 500;
/** Maximum pages per sweep; a backlog takes several sweeps. */
const PAGES = 20;

export interface RetentionOptions {
  readonly bus: Bus;
  readonly writing: Writing;
  readonly jobs: Jobs;
  readonly tables: readonly RunnableTable[];
  /** 0: forever. */
  readonly keepMs: number;
  readonly log: Log;
}

export class Retention {
  readonly #options: RetentionOptions;
  readonly #timer: NodeJS.Timeout | undefined;
  #busy = false;

  constructor(options: RetentionOptions) {
    this.#options = options;
    if (options.keepMs > 0) this.#timer = setInterval(() => void this.#sweep(), EVERY_MS);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #sweep(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    for (const { tenant } of this.#options.tables) {
      if (!this.#options.jobs.isInCharge(tenant)) continue;
      for (let page = 0; page < PAGES; page += 1) if (!(await this.#page(tenant))) break;
    }
    this.#busy = false;
  }

  /** Deletes one page; returns whether there may be more. */
  async #page(tenant: string): Promise<boolean> {
    const { bus, writing, keepMs, log } = this.#options;
    const filter = both(
      { test: 'in', path: ['type'], values: [TYPES.call, TYPES.log] },
      { test: 'less', path: ['created', 'on'], value: Date.now() - keepMs },
    );
    const old = await bus.request(graphQuery, graphQuery.subject({ tenant }), { filter, limit: PAGE, fields: [] }, { timeoutMs: 10_000 });
    const [first] = old.ok ? old.value.elements : [];
    if (!old.ok || first === undefined) return false;
    const values = old.value.elements.map(({ id }) => id);
    const removed = await writing.write(
      { tenant, scope: first.scope, lane: 'retention' },
      {
        operationId: operationId(Date.now(), randomBytes(10)),
        by: APP,
        app: APP,
        origin: { protocol: 'saga', way: 'job', operation: 'retention' },
        operations: [{ op: 'delete', target: { where: { test: 'in', path: ['id'], values } } }],
      },
    );
    if (!removed.ok) log.warn('old records could not be removed', { code: removed.failure.code });
    return removed.ok && values.length === PAGE;
  }
}
