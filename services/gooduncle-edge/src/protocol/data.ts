/** One-time requests: create, read, update and delete (protocol page 3.3 to 3.6). */
import { createHash } from 'node:crypto';
import { graphGet, type graphQuery } from '@polyedge/contracts/bus/graph';
import type { RequestOf } from '@polyedge/contracts/channel';
import { isObject } from '@polyedge/query/json';
import { positionOfCursor, type Sort } from '@polyedge/query/query';
import { call } from '@polyedge/session/questions';
import { type Allowed, all, allowed, forbiddenField, Projection, visibleRows } from './access.ts';
import { answerText, type ResponseMeta } from './envelope.ts';
import { PROTOCOL } from './grants.ts';
import { badRequest, forbidden, internal, notFound, problem, slowDown, storeRefusal } from './problems.ts';
import type { RequestOfType } from './requests.ts';
import { NO_PROBLEMS, type RequestContext, type SessionOutput } from './session-output.ts';
import type { Topic, Verb } from './topics.ts';
import { read, type SessionWork, writeBy } from './work.ts';
import {
  elementsOf,
  forgetExpired,
  guardOf,
  planCreate,
  planDelete,
  planUpdate,
  recordOnce,
  type WritePlan,
  writeRefusal,
} from './writing.ts';

type Query = RequestOf<typeof graphQuery>;

/** Maximum total size of the answers to one read, because each repeats the request. */
const MAX_ANSWERS_CHARACTERS = 32 * 1024 * 1024;

export class Data {
  readonly #output: SessionOutput;
  #swept = false;

  constructor(output: SessionOutput) {
    this.#output = output;
  }

  *create(context: RequestContext, request: RequestOfType<'create'>, topic: Topic): SessionWork {
    const rules = rulesOf(this.#output, context, topic, 'create');
    if (rules === undefined) return;
    const id = request.id ?? this.#output.newResourceId();
    const scope = this.#output.settings.scope();
    const plan = planCreate(topic, rules, request, id, scope);
    if (!plan.ok) {
      this.#output.refuse(context, plan.refusal);
      return;
    }
    const reads = allowed(topic, 'read', context.grants, this.#output.id);
    const projection = new Projection(reads, undefined);
    if (request.once !== undefined) {
      yield* this.#createOnce(context, request.once, plan, projection, topic);
      return;
    }
    context.storeAt = this.#output.at;
    const written = yield* writeBy(plan.rule, request.type, plan.operations);
    if (!written.ok) {
      this.#output.refuse(context, writeRefusal(written.failure, this.#output));
      return;
    }
    const row = written.value.operations[0]?.elements[0];
    this.#output.answer(context, JSON.stringify(row === undefined ? { id } : projection.resource(row)), { version: written.value.last });
  }

  *#createOnce(
    context: RequestContext,
    once: string,
    plan: Extract<WritePlan, { ok: true }>,
    projection: Projection,
    topic: Topic,
  ): SessionWork {
    const [create] = plan.operations;
    if (create?.op !== 'create') return;
    const { tenant, scope: scopeOf } = this.#output.settings;
    const scope = scopeOf();
    const who = plan.rule.grant?.account ?? '';
    const name = `once-${createHash('sha256')
      .update(JSON.stringify([who, topic.name, once]))
      .digest('hex')
      .slice(0, 40)}`;
    const stamp = { on: Math.floor(this.#output.at), by: who, app: PROTOCOL };
    const row = {
      ...create,
      id: create.id ?? '',
      scope,
      kind: 'vertex',
      version: 1,
      seq: 0,
      deleted: false,
      created: stamp,
      modified: stamp,
    } as const;
    const payload = projection.resource(row);
    if (!this.#swept) {
      this.#swept = true;
      this.#output.start(forgetExpired(plan.rule, scope, this.#output.at));
    }
    context.storeAt = this.#output.at;
    const written = yield* writeBy(plan.rule, 'create', [recordOnce(name, scope, payload, this.#output.at), create]);
    if (written.ok) {
      this.#output.answer(context, JSON.stringify(payload), { version: written.value.last });
      return;
    }
    if (written.failure.code !== 'not-allowed' || guardOf(written.failure.detail) !== 'before') {
      this.#output.refuse(context, writeRefusal(written.failure, this.#output));
      return;
    }
    const found = yield* call(graphGet, { tenant }, { ids: [name] });
    const known = found.ok ? found.value.elements[0] : undefined;
    const answer = known?.attributes.answer;
    if (known == null || !isObject(answer)) {
      this.#output.refuse(context, internal(this.#output.incident(found.ok ? 'not-found' : found.failure.code)));
      return;
    }
    // Projected for this session: another one of the same account may have had more roles, and all anonymous sessions share an account.
    const { id, ...attributes } = answer;
    const again = projection.resource({ ...row, id: typeof id === 'string' ? id : '', attributes });
    // The resource was created by the next change of the same commit.
    this.#output.answer(context, JSON.stringify(again), { version: known.seq + 1 });
  }

  *read(context: RequestContext, request: RequestOfType<'read'>, topic: Topic): SessionWork {
    const rules = choiceRules(this.#output, context, request, topic);
    if (rules === undefined) return;
    const sort: readonly Sort[] = request.sort ?? [{ path: ['created', 'on'], order: 'asc' }];
    if (request.after !== undefined && positionOfCursor(request.after, sort) === undefined) {
      this.#output.refuse(context, badRequest(problem('value', 'after')));
      return;
    }
    const filter = all([elementsOf(topic, this.#output.settings.scope()), request.criteria.filter, visibleRows(rules, request.named)]);
    const body: Query = request.count
      ? { filter, limit: 0, count: true }
      : { filter, sort, limit: request.limit ?? 10_000, ...(request.after === undefined ? {} : { cursor: request.after }) };
    if (this.#output.crowded) {
      this.#output.refuse(context, slowDown());
      return;
    }
    context.storeAt = this.#output.at;
    const found = yield* read(body);
    if (!found.ok) {
      this.#output.refuse(context, storeRefusal(found.failure, this.#output));
      return;
    }
    const { elements, cursor, count = 0, seq } = found.value;
    if (request.count) {
      this.#output.answer(context, JSON.stringify({ count }), { count, version: seq });
      return;
    }
    if (elements.length === 0) {
      this.#output.refuse(context, notFound('criteria'), { count: 0 });
      return;
    }
    const head = this.#output.head(context.echo);
    if (head.length * elements.length > MAX_ANSWERS_CHARACTERS) {
      this.#output.refuse(context, badRequest(problem('too large', null, { message: 'the answers would repeat too long a request' })));
      return;
    }
    const projection = new Projection(rules, request.fields);
    const passport = this.#output.passport(context);
    for (const [index, row] of elements.entries()) {
      const last = index === elements.length - 1;
      const meta: ResponseMeta = {
        seq: index,
        count: elements.length,
        version: seq,
        ...(last ? { last: true } : {}),
        ...(last && cursor !== undefined ? { more: true, cursor } : {}),
      };
      this.#output.send(answerText(head, this.#output.at, 'ok', NO_PROBLEMS, JSON.stringify(projection.resource(row)), meta, passport));
    }
  }

  *update(context: RequestContext, request: RequestOfType<'update'>, topic: Topic): SessionWork {
    const rules = rulesOf(this.#output, context, topic, 'update');
    if (rules === undefined) return;
    const reads = allowed(topic, 'read', context.grants, this.#output.id);
    yield* this.#change(context, planUpdate(topic, rules, reads, request, this.#output.settings.scope()), request.type);
  }

  *delete(context: RequestContext, request: RequestOfType<'delete'>, topic: Topic): SessionWork {
    const rules = rulesOf(this.#output, context, topic, 'delete');
    if (rules === undefined) return;
    const reads = allowed(topic, 'read', context.grants, this.#output.id);
    yield* this.#change(context, planDelete(topic, rules, reads, request, this.#output.settings.scope()), request.type);
  }

  *#change(context: RequestContext, plan: WritePlan, what: string): SessionWork {
    if (!plan.ok) {
      this.#output.refuse(context, plan.refusal);
      return;
    }
    context.storeAt = this.#output.at;
    const written = yield* writeBy(plan.rule, what, plan.operations);
    if (!written.ok) {
      this.#output.refuse(context, writeRefusal(written.failure, this.#output));
      return;
    }
    const { operations, last } = written.value;
    const rows = operations[0]?.elements ?? [];
    if (rows.length === 0) {
      this.#output.refuse(context, notFound('criteria'));
      return;
    }
    // Without differences nothing was changed: the version is that of the commit that last changed the rows.
    const version = last > 0 ? last : rows.reduce((newest, { seq }) => Math.max(newest, seq), 0);
    const payload = { count: rows.length, ids: rows.slice(0, 100).map(({ id }) => id) };
    this.#output.answer(context, JSON.stringify(payload), { version });
  }
}

/** The rules of a verb; rejects the request if there are none. */
function rulesOf(output: SessionOutput, context: RequestContext, topic: Topic, verb: Verb): readonly Allowed[] | undefined {
  const rules = allowed(topic, verb, context.grants, output.id);
  if (rules.length > 0) return rules;
  output.refuse(context, forbidden('role'));
  return undefined;
}

/** The rules of reading, if every field that the request names is visible. */
export function choiceRules(
  output: SessionOutput,
  context: RequestContext,
  { named }: RequestOfType<'read'> | RequestOfType<'subscribe'>,
  topic: Topic,
): readonly Allowed[] | undefined {
  const rules = rulesOf(output, context, topic, 'read');
  const hidden = rules === undefined ? undefined : forbiddenField(rules, named);
  if (hidden === undefined) return rules;
  output.refuse(context, forbidden('field', hidden.place));
  return undefined;
}
