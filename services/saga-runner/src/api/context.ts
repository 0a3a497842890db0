/** The context of a call of the JavaScript API: the run that made it, without anything that the script could have forged. */
import { graphGet, graphQuery, type MutationResult, type Operation } from '@polyedge/contracts/bus/graph';
import { sagaSignal } from '@polyedge/contracts/bus/signals';
import type { ReplyOf, RequestOf } from '@polyedge/contracts/channel';
import type { Element } from '@polyedge/contracts/element';
import { done, type Failure, type Outcome } from '@polyedge/contracts/errors';
import type { Filter } from '@polyedge/query/filter';
import type { Json } from '@polyedge/query/json';
import { type Creator, isObject } from '@polyedge/saga/elements';
import { sagaError, toError } from '@polyedge/saga/errors';
import { markText, type RunMark } from '@polyedge/saga/run-mark';
import { type Caller, type PostResult, type Refused, refuse, type Work } from '@polyedge/saga/work';
import type { Bus } from '@polyedge/service-kit/bus';
import { APP, type OperationIds, type Writing } from '../writing.ts';

export interface Acting {
  readonly tenant: string;
  readonly scope: string;
  readonly creator: Creator;
  readonly mark: Omit<RunMark, keyof WriteMarks>;
  readonly testData: boolean;
  readonly ids: OperationIds;
}

export interface ApiParts {
  readonly bus: Bus;
  readonly writing: Writing;
  readonly requestTimeoutMs: number;
}

/** A call of the API: its answer is a value, or an error in Saga's form. */
export type ApiCall = (payload: Readonly<Record<string, Json>>, acting: Acting) => Promise<PostResult>;

/** The parts of the mark that a single write sets. */
export type WriteMarks = Pick<RunMark, 'quiet' | 'inlineParent'>;

const PLAIN: WriteMarks = { quiet: false, inlineParent: false };

export const failedWith = (failure: Failure): Refused => refuse(toError(failure));

export class Graph {
  readonly #parts: ApiParts;

  constructor(parts: ApiParts) {
    this.#parts = parts;
  }

  async one({ tenant }: Pick<Acting, 'tenant'>, id: string, type: string): Promise<Outcome<Element | undefined>> {
    const found = await this.many({ tenant }, [id]);
    if (!found.ok) return found;
    const [element] = found.value;
    return done(element?.type === type ? element : undefined);
  }

  async many({ tenant }: Pick<Acting, 'tenant'>, ids: readonly string[]): Promise<Outcome<Element[]>> {
    const { bus, requestTimeoutMs: timeoutMs } = this.#parts;
    const found = await bus.request(graphGet, graphGet.subject({ tenant }), { ids }, { timeoutMs });
    return found.ok ? done(found.value.elements.filter((element) => element !== null)) : found;
  }

  query({ tenant }: Pick<Acting, 'tenant'>, body: RequestOf<typeof graphQuery>): Promise<Outcome<ReplyOf<typeof graphQuery>>> {
    return this.#parts.bus.request(graphQuery, graphQuery.subject({ tenant }), body, { timeoutMs: this.#parts.requestTimeoutMs });
  }

  async all(acting: Pick<Acting, 'tenant'>, filter: Filter, limit: number): Promise<Outcome<readonly Element[]>> {
    const found = await this.query(acting, { filter, limit });
    return found.ok ? done(found.value.elements) : found;
  }

  /** @param reads the elements for the answer to a repeat, by operation */
  write(
    acting: Acting,
    operations: Operation[],
    reads: readonly (string | undefined)[],
    { marks = PLAIN, id = acting.ids.next() }: { readonly marks?: WriteMarks; readonly id?: { readonly operationId: string } } = {},
  ): Promise<Outcome<MutationResult>> {
    const { tenant, scope, mark } = acting;
    const origin = { protocol: 'saga', way: 'job', operation: markText({ ...mark, ...marks }) } as const;
    const request = { operationId: id.operationId, by: APP, app: APP, origin, operations };
    return this.#parts.writing.writeOnce({ tenant, scope, lane: mark.call }, request, reads);
  }

  /** Runs a task that sockets and REST calls share, for a run. */
  async run(work: (caller: Caller) => Work, acting: Acting, reads: readonly (string | undefined)[], marks = PLAIN): Promise<PostResult> {
    const { bus, requestTimeoutMs: timeoutMs } = this.#parts;
    const id = acting.ids.next();
    const { tenant, testData } = acting;
    const newId = (): string => id.newId();
    const task = work({ tenant, way: 'job', at: Date.now(), newId, testData });
    for (let step = task.next(); ; ) {
      if (step.done === true) return step.value;
      const question = step.value;
      switch (question.kind) {
        case 'call': {
          const { channel, subject, body } = question.call;
          step = task.next(await bus.request(channel, subject, body, { timeoutMs }));
          break;
        }
        case 'write':
          step = task.next(await this.write(acting, question.operations, reads, { marks, id }));
          break;
        case 'signal':
          bus.publish(sagaSignal, { tenant, parent: question.signal.parent }, question.signal);
          step = task.next(done(undefined));
          break;
      }
    }
  }
}

export const BAD_CALL = refuse(sagaError(400, 'the call is not understood'));
/** Maximum rows of one list. */
const MAX_ROWS = 1000;

/** `limit` and `skip` of a list. */
export function pageOf(options: Json | undefined): { readonly limit: number; readonly offset: number } {
  const given = isObject(options) ? options : {};
  const whole = (value: Json | undefined, otherwise: number, most: number): number =>
    typeof value === 'number' && Number.isInteger(value) && value >= 0 ? Math.min(value, most) : otherwise;
  return { limit: whole(given.limit, 100, MAX_ROWS), offset: whole(given.skip, 0, 1_000_000) };
}
