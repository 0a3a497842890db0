/** Runs a Gremlin traversal: its reads become requests to the store, restricted to what the caller may see. */
import { graphGet, graphQuery } from '@polyedge/contracts/bus/graph';
import type { Element } from '@polyedge/contracts/element';
import { done, failed, type Outcome } from '@polyedge/contracts/errors';
import type { Principal } from '@polyedge/contracts/principal';
import type { Filter } from '@polyedge/query/filter';
import { type CallQuestion, call } from '@polyedge/session/questions';
import type { Task } from '@polyedge/session/task';
import { visibleTo } from '../element/visibility.ts';
import { compileGremlin, runGremlin } from '../gremlin/gremlin.ts';
import type { StoreRead } from '../gremlin/run.ts';
import type { RequestParameters } from '../parameters.ts';
import { displayOptionsOf } from './display-options.ts';
import { includesDeleted, readElement } from './read-element.ts';
import { list, type Work } from './work.ts';

/** The time limit of a traversal; beyond it the answer is 408. */
const DEADLINE_MS = 10_000;
/** The most vertices whose edges are requested at once, and the most rows of one answer. */
const PAGE_IDS = 500;
const PAGE_ROWS = 5000;

/** The caller and time of a query. */
export interface When {
  readonly who: Principal;
  /** When the request arrived, in milliseconds since 1970. */
  readonly at: number;
  /** The present time, likewise. */
  readonly now: () => number;
}

/** `query` of type `gremlin`. @param values the values for placeholders */
export function* gremlin(parameters: RequestParameters, values: Readonly<Record<string, unknown>>, { who, at, now }: When): Work {
  const text = parameters.text('query');
  if (text === undefined) return failed('invalid', 'query is missing');
  const root = parameters.text('root');
  if (root === undefined) return failed('invalid', 'root is missing');
  const traversal = compileGremlin(text, values);
  if (!traversal.ok) return traversal;
  const display = displayOptionsOf(parameters);
  const element = yield* readElement(root, includesDeleted(parameters), who);
  const isLate = (): boolean => now() > at + DEADLINE_MS;
  if (isLate()) return TOO_LATE;
  if (!element.ok) return element;
  const run = runGremlin(traversal.value, element.value, display);
  let step = run.next();
  while (step.done !== true) {
    const { value: read } = step;
    const found = yield* read.read === 'vertices' ? vertices(read.ids, who, isLate) : edges(read, who, isLate);
    if (!found.ok) return found;
    step = run.next(found.value);
  }
  return step.value.ok ? list(step.value.value) : step.value;
}

const TOO_LATE = failed('expired', 'the query takes too long');

function* vertices(ids: readonly string[], who: Principal, isLate: () => boolean): Task<CallQuestion, Outcome<readonly Element[]>> {
  const found: Element[] = [];
  for (let from = 0; from < ids.length; from += PAGE_IDS) {
    const some = ids.slice(from, from + PAGE_IDS);
    const reply = yield* call(graphGet, { tenant: who.tenant }, { ids: some, visible: visibleTo(who), accounts: true });
    if (isLate()) return TOO_LATE;
    if (!reply.ok) return reply;
    for (const element of reply.value.elements) if (element !== null) found.push(element);
  }
  return done(found);
}

function* edges(
  { of, end, verbs, limit }: Extract<StoreRead, { read: 'edges' }>,
  who: Principal,
  isLate: () => boolean,
): Task<CallQuestion, Outcome<readonly Element[]>> {
  const found: Element[] = [];
  for (let from = 0; from < of.length; from += PAGE_IDS) {
    const filter: Filter = {
      all: [
        { test: 'equal', path: ['kind'], value: 'edge' },
        { test: 'in', path: [end], values: of.slice(from, from + PAGE_IDS) },
        ...(verbs.length === 0 ? [] : [{ test: 'in', path: ['type'], values: verbs } as const]),
        visibleTo(who),
      ],
    };
    let cursor: string | undefined;
    do {
      // One more than the limit is enough for the run to fail.
      if (found.length > limit) return done(found);
      const question = { filter, limit: PAGE_ROWS, ...(cursor === undefined ? {} : { cursor }) };
      const reply = yield* call(graphQuery, { tenant: who.tenant }, question);
      if (isLate()) return TOO_LATE;
      if (!reply.ok) return reply;
      found.push(...reply.value.elements);
      cursor = reply.value.cursor;
    } while (cursor !== undefined);
  }
  return done(found);
}
