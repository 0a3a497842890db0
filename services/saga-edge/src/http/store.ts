/** The requests of REST routes to graph-store, and the runner of the tasks that they share with sockets. */
import { randomBytes } from 'node:crypto';
import { graphGet, graphHistory, graphMutate, graphQuery, type MutationResult, type Operation } from '@polyedge/contracts/bus/graph';
import { sagaSignal } from '@polyedge/contracts/bus/signals';
import type { ReplyOf, RequestOf } from '@polyedge/contracts/channel';
import type { Element } from '@polyedge/contracts/element';
import { done, failed, type Outcome } from '@polyedge/contracts/errors';
import { FittingPages } from '@polyedge/contracts/fitting-pages';
import { operationId } from '@polyedge/contracts/operation-id';
import type { RestTasks } from '@polyedge/edge-kit/driver/rest-tasks';
import type { Filter } from '@polyedge/query/filter';
import { both, isId } from '@polyedge/saga/elements';
import type { PostResult, SignalQuestion, Work } from '@polyedge/saga/work';
import type { Bus } from '@polyedge/service-kit/bus';
import type { Author } from '@polyedge/session/questions';
import { ok, type Reply } from './reply.ts';

/** Elements read with one request. */
const PAGE = 10_000;
/** Elements deleted with one request, if they are not so large that only `ALWAYS_FITTING` fit. */
const DELETED_AT_ONCE = 500;

const REST = { protocol: 'saga', way: 'rest' } as const;

export class Store {
  readonly #bus: Bus;
  readonly #rest: RestTasks;

  constructor(bus: Bus, rest: RestTasks) {
    this.#bus = bus;
    this.#rest = rest;
  }

  /** The living element with an id if it has one of the types, or undefined. */
  async one(tenant: string, id: string, ...types: readonly string[]): Promise<Outcome<Element | undefined>> {
    if (!isId(id)) return done(undefined);
    const found = await this.many(tenant, [id]);
    if (!found.ok) return found;
    const [element] = found.value;
    return done(element !== undefined && types.includes(element.type) ? element : undefined);
  }

  async many(tenant: string, ids: readonly string[]): Promise<Outcome<Element[]>> {
    if (ids.length === 0) return done([]);
    const found = await this.#rest.request(graphGet, { tenant }, { ids: [...ids] });
    return found.ok ? done(found.value.elements.filter((element) => element !== null)) : found;
  }

  query(tenant: string, body: RequestOf<typeof graphQuery>): Promise<Outcome<ReplyOf<typeof graphQuery>>> {
    return this.#rest.request(graphQuery, { tenant }, body);
  }

  /** All matching elements; `too-large` if there are more than `max`. @param fields the attributes to read; default all */
  async all(tenant: string, filter: Filter, max: number, fields?: readonly string[]): Promise<Outcome<readonly Element[]>> {
    const elements: Element[] = [];
    // A client is not sent large elements with all that they have; without their other attributes they are read.
    const pages = new FittingPages(PAGE);
    const inPages = <T>(ask: (limit: number) => Promise<Outcome<T>>) => (fields === undefined ? ask(PAGE) : pages.read(ask));
    const wanted = { filter, ...(fields === undefined ? {} : { fields: [...fields] }) };
    for (let cursor: string | undefined; ; ) {
      const place = cursor === undefined ? {} : { cursor };
      const found = await inPages((limit) => this.query(tenant, { ...wanted, limit, ...place }));
      if (!found.ok) return found;
      for (const element of found.value.elements) elements.push(element);
      if (elements.length > max) return failed('too-large', `there are more than ${max}: ask for fewer at a time`);
      cursor = found.value.cursor;
      if (cursor === undefined) return done(elements);
    }
  }

  /** Deletes all matching elements, however many and large they are: some at a time, so others see a part of them meanwhile. */
  async removeAll(who: Author, filter: Filter): Promise<Outcome<void>> {
    const pages = new FittingPages(DELETED_AT_ONCE);
    for (;;) {
      const removed = await pages.read((limit) => this.#removeSome(who, filter, limit));
      if (!removed.ok) return removed;
      if (removed.value === 'none') return done(undefined);
    }
  }

  async #removeSome(who: Author, filter: Filter, limit: number): Promise<Outcome<'some' | 'none'>> {
    const found = await this.query(who.tenant, { filter, limit, fields: [] });
    if (!found.ok) return found;
    const values = found.value.elements.map(({ id }) => id);
    if (values.length === 0) return done('none');
    // The filter again: what matches no more stays.
    const where = both(filter, { test: 'in', path: ['id'], values });
    const removed = await this.write(who, 'delete', [{ op: 'delete', target: { where } }]);
    return removed.ok ? done('some') : removed;
  }

  history(tenant: string, body: RequestOf<typeof graphHistory>): Promise<Outcome<ReplyOf<typeof graphHistory>>> {
    return this.#rest.request(graphHistory, { tenant }, body);
  }

  /** Writes, and retries while the outcome is unknown, for at most 60 seconds, like a write of a socket. */
  write(who: Author, what: string, operations: Operation[]): Promise<Outcome<MutationResult>> {
    return this.#rest.write({ what, operations }, { who, origin: REST });
  }

  /** Writes once, for background work whose caller retries. */
  async writeOnce({ tenant, defaultScope, account: by, app }: Author, what: string, operations: Operation[]): Promise<Outcome<void>> {
    const origin = { protocol: 'saga', way: 'job', operation: what } as const;
    const request = { by, app, origin, operations, operationId: operationId(Date.now(), randomBytes(10)) };
    const reply = await this.#rest.request(graphMutate, { tenant }, { defaultScope, requests: [request] });
    if (!reply.ok) return reply;
    const [outcome] = reply.value.outcomes;
    if (outcome === undefined) return { ok: false, failure: { code: 'internal' } };
    return outcome.ok ? done(undefined) : { ok: false, failure: { code: outcome.failure.code, detail: outcome.failure.detail ?? '' } };
  }

  /** Runs a task that sockets use too. */
  async run(work: Work, who: Author): Promise<Reply> {
    for (;;) {
      const step = await this.#rest.advance<SignalQuestion, PostResult>(work, { who, origin: REST });
      if (step.done === true) return step.value.ok ? ok(step.value.value) : step.value;
      const { signal } = step.value;
      this.#bus.publish(sagaSignal, { tenant: who.tenant, parent: signal.parent }, signal);
    }
  }
}
