/** What REST routes ask of graph-store, and how the steps that they share with the socket are carried out. */
import { randomBytes } from 'node:crypto';
import { graphGet, graphHistory, graphMutate, graphQuery, type MutationResult, type Operation } from '@polyedge/contracts/bus/graph';
import { sagaSignal } from '@polyedge/contracts/bus/signals';
import type { ReplyOf, RequestOf } from '@polyedge/contracts/channel';
import type { Element } from '@polyedge/contracts/element';
import { done, type Outcome } from '@polyedge/contracts/errors';
import { operationId } from '@polyedge/contracts/operation-id';
import type { Wheel } from '@polyedge/edge-kit/wheel';
import { Writes } from '@polyedge/edge-kit/writes';
import type { Filter } from '@polyedge/query/filter';
import type { Step } from '@polyedge/saga/step';
import type { Bus } from '@polyedge/service-kit/bus';
import { ok, type Reply, refused } from './reply.ts';

/** On whose behalf something is asked. */
export interface Acting {
  readonly tenant: string;
  readonly defaultScope: string;
  readonly account: string;
  readonly app: string;
}

export class Store {
  readonly #bus: Bus;
  readonly #wheel: Wheel;
  readonly #timeoutMs: number;

  constructor(bus: Bus, wheel: Wheel, timeoutMs: number) {
    this.#bus = bus;
    this.#wheel = wheel;
    this.#timeoutMs = timeoutMs;
  }

  /** The living element of one of the types under an id, or undefined. */
  async one(tenant: string, id: string, ...types: readonly string[]): Promise<Outcome<Element | undefined>> {
    const found = await this.many(tenant, [id]);
    if (!found.ok) return found;
    const [element] = found.value;
    return done(element !== undefined && types.includes(element.type) ? element : undefined);
  }

  async many(tenant: string, ids: readonly string[]): Promise<Outcome<Element[]>> {
    if (ids.length === 0) return done([]);
    const subject = graphGet.subject({ tenant });
    const found = await this.#bus.request(graphGet, subject, { ids }, { timeoutMs: this.#timeoutMs });
    return found.ok ? done(found.value.elements.filter((element) => element !== null)) : found;
  }

  query(tenant: string, body: RequestOf<typeof graphQuery>): Promise<Outcome<ReplyOf<typeof graphQuery>>> {
    return this.#bus.request(graphQuery, graphQuery.subject({ tenant }), body, { timeoutMs: this.#timeoutMs });
  }

  /** Everything that matches, at most `max` elements. */
  async all(tenant: string, filter: Filter, max = 10_000): Promise<Outcome<readonly Element[]>> {
    const found = await this.query(tenant, { filter, limit: max });
    return found.ok ? done(found.value.elements) : found;
  }

  history(tenant: string, body: RequestOf<typeof graphHistory>): Promise<Outcome<ReplyOf<typeof graphHistory>>> {
    return this.#bus.request(graphHistory, graphHistory.subject({ tenant }), body, { timeoutMs: this.#timeoutMs });
  }

  /** Writes; tried again while the outcome is unknown, for at most 60 seconds, like a write of a socket. */
  write({ tenant, defaultScope, account: by, app }: Acting, what: string, operations: Operation[]): Promise<Outcome<MutationResult>> {
    const origin = { protocol: 'saga', way: 'rest', operation: what } as const;
    const request = { by, app, origin, operations, operationId: operationId(Date.now(), randomBytes(10)) };
    return new Promise((resolve) => {
      new Writes(this.#bus, this.#wheel, ({ outcome }) => resolve(outcome)).add({ id: 'rest', tenant, defaultScope, request, own: 'any' });
    });
  }

  /** One attempt for background work, whose caller tries again by itself. */
  async writeOnce({ tenant, defaultScope, account: by, app }: Acting, what: string, operations: Operation[]): Promise<Outcome<void>> {
    const origin = { protocol: 'saga', way: 'job', operation: what } as const;
    const request = { by, app, origin, operations, operationId: operationId(Date.now(), randomBytes(10)) };
    const subject = graphMutate.subject({ tenant });
    const reply = await this.#bus.request(graphMutate, subject, { defaultScope, requests: [request] }, { timeoutMs: this.#timeoutMs });
    if (!reply.ok) return reply;
    const [outcome] = reply.value.outcomes;
    if (outcome === undefined) return { ok: false, failure: { code: 'internal' } };
    return outcome.ok ? done(undefined) : { ok: false, failure: { code: outcome.failure.code, detail: outcome.failure.detail ?? '' } };
  }

  /** Carries out steps until one answers. */
  async settle(step: Step, who: Acting): Promise<Reply> {
    let now = step;
    for (;;) {
      switch (now.next) {
        case 'ask': {
          const { channel, subject, body } = now.call;
          now = now.resume(await this.#bus.request(channel, subject, body, { timeoutMs: this.#timeoutMs }));
          break;
        }
        case 'write':
          now = now.resume(await this.write(who, now.what, now.operations));
          break;
        case 'tell':
          this.#bus.publish(sagaSignal, { tenant: who.tenant, parent: now.signal.parent }, now.signal);
          return ok(now.body);
        case 'answer':
          return ok(now.body);
        case 'fail':
          return refused(now.error);
      }
    }
  }
}
