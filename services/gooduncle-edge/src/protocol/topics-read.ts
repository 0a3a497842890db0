/**
 * The built-in topic `topics`: a read of it returns one resource for each topic that the session may use, so that newcomers can discover
 * them. It is read-only, and a topic of the same name in the rules replaces it.
 */
import type { Document } from '@polyedge/query/document';
import { EVERYTHING } from '@polyedge/query/filter';
import type { JsonObject } from '@polyedge/query/json';
import { compile } from '@polyedge/query/predicate';
import { compareBy } from '@polyedge/query/query';
import { type Grant, mayUse, Projection } from './access.ts';
import { answerText } from './envelope.ts';
import { badRequest, forbidden, notFound, problem } from './problems.ts';
import type { Request } from './requests.ts';
import { NO_PROBLEMS, type RequestContext, type SessionOutput } from './session-output.ts';
import { ANONYMOUS, type FieldRule, type Topic, type Topics, VERBS, type Verb } from './topics.ts';

export const TOPICS = 'topics';

const EVERY_ROW = { rows: EVERYTHING, check: EVERYTHING, fields: { all: true, names: new Set<string>() }, set: {}, grant: undefined };

/** The topics that a session may use, for the error about an unknown topic. */
export const namesFor = (topics: Topics, grants: readonly Grant[]): readonly string[] => usable(topics, grants).map(({ name }) => name);

/** Answers every data request about the topic `topics`. */
export function answerTopics(
  output: SessionOutput,
  context: RequestContext,
  request: Exclude<Request, { type: 'upgrade' | 'downgrade' | 'unsubscribe' }>,
  topics: Topics,
): void {
  if (request.type !== 'read') {
    output.refuse(context, forbidden('role', 'topic'));
    return;
  }
  if (request.after !== undefined) {
    output.refuse(context, badRequest(problem('value', 'after')));
    return;
  }
  const matches = compile(request.criteria.filter);
  const found = usable(topics, context.grants)
    .map((topic) => described(topic, context.grants, output.at))
    .filter(matches)
    .sort(compareBy(request.sort ?? [{ path: ['id'], order: 'asc' }]));
  if (request.count) {
    output.answer(context, JSON.stringify({ count: found.length }), { count: found.length });
    return;
  }
  const rows = found.slice(0, request.limit);
  if (rows.length === 0) {
    output.refuse(context, notFound('criteria'), { count: 0 });
    return;
  }
  const projection = new Projection([EVERY_ROW], request.fields);
  const head = output.head(context.echo);
  for (const [seq, row] of rows.entries()) {
    const last = seq === rows.length - 1;
    const meta = {
      seq,
      count: rows.length,
      ...(last ? { last: true as const } : {}),
      ...(last && found.length > rows.length ? { more: true as const } : {}),
    };
    output.send(answerText(head, output.at, 'ok', NO_PROBLEMS, JSON.stringify(projection.resource(row)), meta, output.passport(context)));
  }
}

const usable = ({ byName }: Topics, grants: readonly Grant[]): readonly Topic[] =>
  [...byName.values()].filter((topic) => mayUse(topic, grants));

/** A session's rights on a topic, as a row. */
function described(topic: Topic, grants: readonly Grant[], at: number): Document {
  const roles = [ANONYMOUS, ...grants.map(({ role }) => role)];
  const verbs: [Verb, JsonObject][] = VERBS.flatMap((verb) => {
    const fields = fieldsFor(topic, verb, roles);
    return fields === undefined ? [] : [[verb, { fields }]];
  });
  const may = Object.fromEntries(verbs);
  const stamp = { on: at, by: '', app: '' };
  return {
    ...{ id: topic.name, kind: 'vertex', type: TOPICS, scope: '', version: 1, seq: 0, deleted: false, created: stamp, modified: stamp },
    attributes: { may, live: topic.live && may.read !== undefined, clientIds: topic.clientIds, maxAffected: topic.maxAffected },
  } as const;
}

/** The fields of a verb in the notation of the rules, over all roles of a session; undefined if no role has the verb. */
function fieldsFor(topic: Topic, verb: Verb, roles: readonly string[]): readonly string[] | undefined {
  const rules = roles.flatMap((role) => topic.roles.get(role)?.[verb] ?? []).map(({ fields }) => fields);
  if (rules.length === 0) return undefined;
  const named = new Set(rules.filter(({ all }) => !all).flatMap(({ names }) => [...names]));
  const whole = rules.filter(({ all }) => all);
  if (whole.length === 0) return [...named].sort();
  return [
    '*',
    ...leftOut(whole)
      .filter((name) => !named.has(name))
      .map((name) => `-${name}`),
  ];
}

/** The fields that each of these rules excludes. */
function leftOut(rules: readonly FieldRule[]): string[] {
  const [first, ...rest] = rules;
  return [...(first?.names ?? [])].filter((name) => rest.every(({ names }) => names.has(name))).sort();
}
