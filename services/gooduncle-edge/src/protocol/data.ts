/** What a session asks for once: create, read, update and delete (protocol page 3.3 to 3.6). */
import { createHash } from 'node:crypto';
import { graphGet, type graphQuery } from '@polyedge/contracts/bus/graph';
import type { RequestOf } from '@polyedge/contracts/channel';
import { isObject } from '@polyedge/query/json';
import { positionOfCursor, type Sort } from '@polyedge/query/query';
import { ask } from '@polyedge/session/questions';
import { type Allowed, all, allowed, forbiddenField, Showing, visibleRows } from './access.ts';
import { answerText, type Says } from './envelope.ts';
import { PROTOCOL } from './grants.ts';
import { badRequest, forbidden, internal, notFound, problem, slowDown, storeRefusal } from './problems.ts';
import type { Request } from './requests.ts';
import { type Asked, NO_PROBLEMS, type Talk } from './talk.ts';
import type { Topic, Verb } from './topics.ts';
import { read, type Work, writeBy } from './work.ts';
import { elementsOf, forgetOnces, guardOf, type Plan, planCreate, planDelete, planUpdate, rememberOnce, writeRefusal } from './writing.ts';

type Of<Type extends Request['type']> = Extract<Request, { type: Type }>;
type Query = RequestOf<typeof graphQuery>;

/** All that the answers to one read may come to: each repeats the request. */
const MAX_ANSWERS_CHARACTERS = 32 * 1024 * 1024;

export class Data {
  readonly #talk: Talk;
  #swept = false;

  constructor(talk: Talk) {
    this.#talk = talk;
  }

  *create(asked: Asked, request: Of<'create'>, topic: Topic): Work {
    const rules = rulesOf(this.#talk, asked, topic, 'create');
    if (rules === undefined) return;
    const id = request.id ?? this.#talk.newResourceId();
    const scope = this.#talk.settings.scope();
    const plan = planCreate(topic, rules, request, id, scope);
    if (!plan.ok) {
      this.#talk.refuse(asked, plan.refusal);
      return;
    }
    const reads = allowed(topic, 'read', asked.grants, this.#talk.id);
    const showing = new Showing(reads, undefined);
    if (request.once !== undefined) {
      yield* this.#createOnce(asked, request.once, plan, showing, topic);
      return;
    }
    asked.storeAt = this.#talk.at;
    const written = yield* writeBy(plan.rule, request.type, plan.operations);
    if (!written.ok) {
      this.#talk.refuse(asked, writeRefusal(written.failure, this.#talk));
      return;
    }
    const row = written.value.operations[0]?.elements[0];
    this.#talk.answer(asked, JSON.stringify(row === undefined ? { id } : showing.resource(row)), { version: written.value.last });
  }

  *#createOnce(asked: Asked, once: string, plan: Extract<Plan, { ok: true }>, showing: Showing, topic: Topic): Work {
    const [create] = plan.operations;
    if (create?.op !== 'create') return;
    const { tenant, scope: scopeOf } = this.#talk.settings;
    const scope = scopeOf();
    const who = plan.rule.grant?.account ?? '';
    const name = `once-${createHash('sha256')
      .update(JSON.stringify([who, topic.name, once]))
      .digest('hex')
      .slice(0, 40)}`;
    const stamp = { on: Math.floor(this.#talk.at), by: who, app: PROTOCOL };
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
    const payload = showing.resource(row);
    if (!this.#swept) {
      this.#swept = true;
      this.#talk.start(forget(plan.rule, scope, this.#talk.at));
    }
    asked.storeAt = this.#talk.at;
    const written = yield* writeBy(plan.rule, 'create', [rememberOnce(name, scope, payload, this.#talk.at), create]);
    if (written.ok) {
      this.#talk.answer(asked, JSON.stringify(payload), { version: written.value.last });
      return;
    }
    if (written.failure.code !== 'not-allowed' || guardOf(written.failure.detail) !== 'before') {
      this.#talk.refuse(asked, writeRefusal(written.failure, this.#talk));
      return;
    }
    const found = yield* ask(graphGet, { tenant }, { ids: [name] });
    const known = found.ok ? found.value.elements[0] : undefined;
    const answer = known?.attributes.answer;
    if (known == null || !isObject(answer)) {
      this.#talk.refuse(asked, internal(this.#talk.incident(found.ok ? 'not-found' : found.failure.code)));
      return;
    }
    // As this session may see it: another one of the same account may have had further roles, and nobody in particular is everybody.
    const { id, ...attributes } = answer;
    const again = showing.resource({ ...row, id: typeof id === 'string' ? id : '', attributes });
    // The resource was made by the next change of the same commit.
    this.#talk.answer(asked, JSON.stringify(again), { version: known.seq + 1 });
  }

  *read(asked: Asked, request: Of<'read'>, topic: Topic): Work {
    const rules = choiceRules(this.#talk, asked, request, topic);
    if (rules === undefined) return;
    const sort: readonly Sort[] = request.sort ?? [{ path: ['created', 'on'], order: 'asc' }];
    if (request.after !== undefined && positionOfCursor(request.after, sort) === undefined) {
      this.#talk.refuse(asked, badRequest(problem('value', 'after')));
      return;
    }
    const filter = all([elementsOf(topic, this.#talk.settings.scope()), request.criteria.filter, visibleRows(rules, request.named)]);
    const body: Query = request.count
      ? { filter, limit: 0, count: true }
      : { filter, sort, limit: request.limit ?? 10_000, ...(request.after === undefined ? {} : { cursor: request.after }) };
    if (this.#talk.crowded) {
      this.#talk.refuse(asked, slowDown());
      return;
    }
    asked.storeAt = this.#talk.at;
    const found = yield* read(body);
    if (!found.ok) {
      this.#talk.refuse(asked, storeRefusal(found.failure, this.#talk));
      return;
    }
    const { elements, cursor, count = 0, seq } = found.value;
    if (request.count) {
      this.#talk.answer(asked, JSON.stringify({ count }), { count, version: seq });
      return;
    }
    if (elements.length === 0) {
      this.#talk.refuse(asked, notFound('criteria'), { count: 0 });
      return;
    }
    const head = this.#talk.head(asked.echo);
    if (head.length * elements.length > MAX_ANSWERS_CHARACTERS) {
      this.#talk.refuse(asked, badRequest(problem('too large', null, { message: 'the answers would repeat too long a request' })));
      return;
    }
    const showing = new Showing(rules, request.fields);
    const passport = this.#talk.passport(asked);
    for (const [index, row] of elements.entries()) {
      const last = index === elements.length - 1;
      const says: Says = {
        seq: index,
        count: elements.length,
        version: seq,
        ...(last ? { last: true } : {}),
        ...(last && cursor !== undefined ? { more: true, cursor } : {}),
      };
      this.#talk.send(answerText(head, this.#talk.at, 'ok', NO_PROBLEMS, JSON.stringify(showing.resource(row)), says, passport));
    }
  }

  *update(asked: Asked, request: Of<'update'>, topic: Topic): Work {
    const rules = rulesOf(this.#talk, asked, topic, 'update');
    if (rules === undefined) return;
    const reads = allowed(topic, 'read', asked.grants, this.#talk.id);
    yield* this.#change(asked, planUpdate(topic, rules, reads, request, this.#talk.settings.scope()), request.type);
  }

  *delete(asked: Asked, request: Of<'delete'>, topic: Topic): Work {
    const rules = rulesOf(this.#talk, asked, topic, 'delete');
    if (rules === undefined) return;
    const reads = allowed(topic, 'read', asked.grants, this.#talk.id);
    yield* this.#change(asked, planDelete(topic, rules, reads, request, this.#talk.settings.scope()), request.type);
  }

  *#change(asked: Asked, plan: Plan, what: string): Work {
    if (!plan.ok) {
      this.#talk.refuse(asked, plan.refusal);
      return;
    }
    asked.storeAt = this.#talk.at;
    const written = yield* writeBy(plan.rule, what, plan.operations);
    if (!written.ok) {
      this.#talk.refuse(asked, writeRefusal(written.failure, this.#talk));
      return;
    }
    const { operations, last } = written.value;
    const rows = operations[0]?.elements ?? [];
    if (rows.length === 0) {
      this.#talk.refuse(asked, notFound('criteria'));
      return;
    }
    // Where nothing differed nothing was changed: the rows are of the commits that changed them last.
    const version = last > 0 ? last : rows.reduce((newest, { seq }) => Math.max(newest, seq), 0);
    const payload = { count: rows.length, ids: rows.slice(0, 100).map(({ id }) => id) };
    this.#talk.answer(asked, JSON.stringify(payload), { version });
  }
}

/** Whatever comes of it: what is forgotten later does no harm. */
function* forget(rule: Allowed, scope: string, at: number): Work {
  yield* writeBy(rule, 'forget', [forgetOnces(scope, at)]);
}

/** The rules of a verb; the request is refused when there are none. */
export function rulesOf(talk: Talk, asked: Asked, topic: Topic, verb: Verb): readonly Allowed[] | undefined {
  const rules = allowed(topic, verb, asked.grants, talk.id);
  if (rules.length > 0) return rules;
  talk.refuse(asked, forbidden('role'));
  return undefined;
}

/** The rules of reading, when every field that the request names may be looked at. */
export function choiceRules(
  talk: Talk,
  asked: Asked,
  { named }: Of<'read'> | Of<'subscribe'>,
  topic: Topic,
): readonly Allowed[] | undefined {
  const rules = rulesOf(talk, asked, topic, 'read');
  const hidden = rules === undefined ? undefined : forbiddenField(rules, named);
  if (hidden === undefined) return rules;
  talk.refuse(asked, forbidden('field', hidden.place));
  return undefined;
}
