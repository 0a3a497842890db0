/** What a session asks for once: create, read, update and delete (protocol page 3.3 to 3.6). */
import { createHash } from 'node:crypto';
import { graphGet, type graphQuery, type MutationResult, type Operation } from '@polyedge/contracts/bus/graph';
import type { ReplyOf, RequestOf } from '@polyedge/contracts/channel';
import { isObject } from '@polyedge/query/json';
import { positionOfCursor, type Sort } from '@polyedge/query/query';
import { call } from '@polyedge/session/call';
import { type Allowed, all, allowed, forbiddenField, Showing, visibleRows } from './access.ts';
import { answerText, type Says } from './envelope.ts';
import { PROTOCOL } from './grants.ts';
import { badRequest, forbidden, internal, notFound, problem, slowDown, storeRefusal } from './problems.ts';
import type { Request } from './requests.ts';
import { type Asked, NO_PROBLEMS, type Talk } from './talk.ts';
import type { Topic, Verb } from './topics.ts';
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

  create(asked: Asked, request: Of<'create'>, topic: Topic): void {
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
      this.#createOnce(asked, request.once, plan, showing, topic);
      return;
    }
    this.#write(asked, plan.operations, plan.rule, request.type, ({ operations, last }) => {
      const row = operations[0]?.elements[0];
      this.#talk.answer(asked, JSON.stringify(row === undefined ? { id } : showing.resource(row)), { version: last });
    });
  }

  #createOnce(asked: Asked, once: string, plan: Extract<Plan, { ok: true }>, showing: Showing, topic: Topic): void {
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
      this.#talk.mutate([forgetOnces(scope, this.#talk.at)], plan.rule, 'forget', () => {});
    }
    this.#talk.mutate([rememberOnce(name, scope, payload, this.#talk.at), create], plan.rule, 'create', (outcome) => {
      if (outcome.ok) this.#talk.answer(asked, JSON.stringify(payload), { version: outcome.value.last });
      else if (outcome.failure.code === 'not-allowed' && guardOf(outcome.failure.detail) === 'before') {
        this.#talk.ask<ReplyOf<typeof graphGet>>(call(graphGet, { tenant }, { ids: [name] }), (found) => {
          const known = found.ok ? found.value.elements[0] : undefined;
          const answer = known?.attributes.answer;
          if (known == null || !isObject(answer))
            this.#talk.refuse(asked, internal(this.#talk.incident(found.ok ? 'not-found' : found.failure.code)));
          else {
            // As this session may see it: another one of the same account may have had further roles, and nobody in particular is everybody.
            const { id, ...attributes } = answer;
            const again = showing.resource({ ...row, id: typeof id === 'string' ? id : '', attributes });
            // The resource was made by the next change of the same commit.
            this.#talk.answer(asked, JSON.stringify(again), { version: known.seq + 1 });
          }
        });
      } else this.#talk.refuse(asked, writeRefusal(outcome.failure, this.#talk));
    });
    asked.storeAt = this.#talk.at;
  }

  read(asked: Asked, request: Of<'read'>, topic: Topic): void {
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
    this.#talk.read(body, (outcome) => {
      if (!outcome.ok) {
        this.#talk.refuse(asked, storeRefusal(outcome.failure, this.#talk));
        return;
      }
      const { elements, cursor, count = 0, seq } = outcome.value;
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
    });
  }

  update(asked: Asked, request: Of<'update'>, topic: Topic): void {
    const rules = rulesOf(this.#talk, asked, topic, 'update');
    if (rules === undefined) return;
    const reads = allowed(topic, 'read', asked.grants, this.#talk.id);
    this.#change(asked, planUpdate(topic, rules, reads, request, this.#talk.settings.scope()), request.type);
  }

  delete(asked: Asked, request: Of<'delete'>, topic: Topic): void {
    const rules = rulesOf(this.#talk, asked, topic, 'delete');
    if (rules === undefined) return;
    const reads = allowed(topic, 'read', asked.grants, this.#talk.id);
    this.#change(asked, planDelete(topic, rules, reads, request, this.#talk.settings.scope()), request.type);
  }

  #change(asked: Asked, plan: Plan, what: string): void {
    if (!plan.ok) {
      this.#talk.refuse(asked, plan.refusal);
      return;
    }
    this.#write(asked, plan.operations, plan.rule, what, ({ operations, last }) => {
      const rows = operations[0]?.elements ?? [];
      // Where nothing differed nothing was changed: the rows are of the commits that changed them last.
      const version = last > 0 ? last : rows.reduce((newest, { seq }) => Math.max(newest, seq), 0);
      if (rows.length === 0) {
        this.#talk.refuse(asked, notFound('criteria'));
        return;
      }
      const payload = { count: rows.length, ids: rows.slice(0, 100).map(({ id }) => id) };
      this.#talk.answer(asked, JSON.stringify(payload), { version });
    });
  }

  #write(asked: Asked, operations: readonly Operation[], rule: Allowed, what: string, done: (result: MutationResult) => void): void {
    asked.storeAt = this.#talk.at;
    this.#talk.mutate(operations, rule, what, (outcome) => {
      if (outcome.ok) done(outcome.value);
      else this.#talk.refuse(asked, writeRefusal(outcome.failure, this.#talk));
    });
  }
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
