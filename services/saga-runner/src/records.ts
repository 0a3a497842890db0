/** Stores and publishes runnable calls and logs (Saga protocol page, 5.7 and 5.8): logs as they occur, the call when it has ended. */
import { randomBytes } from 'node:crypto';
import type { Operation } from '@polyedge/contracts/bus/graph';
import type { RunnableCall, RunnableLog } from '@polyedge/contracts/bus/runnables';
import type { Outcome } from '@polyedge/contracts/errors';
import { operationId } from '@polyedge/contracts/operation-id';
import type { JsonObject } from '@polyedge/query/json';
import { TYPES } from '@polyedge/saga/elements';
import { callAttributes, logAttributes } from '@polyedge/saga/records';
import { APP, type Writing } from './writing.ts';

export interface Where {
  readonly tenant: string;
  readonly scope: string;
}

export class Records {
  readonly #writing: Writing;

  constructor(writing: Writing) {
    this.#writing = writing;
  }

  /** Resolves when it is stored. An existing one is kept: the run was repeated. */
  call(where: Where, call: RunnableCall): Promise<Outcome<unknown>> {
    return this.#make(where, call.id, TYPES.call, call.id, callAttributes(call));
  }

  log(where: Where, log: RunnableLog): Promise<Outcome<unknown>> {
    return this.#make(where, log.call, TYPES.log, log.id, logAttributes(log));
  }

  async #make(where: Where, lane: string, type: string, id: string, attributes: JsonObject): Promise<Outcome<unknown>> {
    const create: Operation = { op: 'create', type, id, attributes };
    const made = await this.#writing.write(
      { ...where, lane, record: true },
      {
        operationId: operationId(Date.now(), randomBytes(10)),
        by: APP,
        app: APP,
        origin: { protocol: 'saga', way: 'job', operation: 'runnable' },
        operations: [create],
      },
    );
    return !made.ok && made.failure.code === 'conflict' ? { ok: true, value: undefined } : made;
  }
}
