/** Carries a gremlin traversal out: what it must read becomes questions to the store, restricted to what the caller may see. */
import { graphGet, graphQuery } from '@polyedge/contracts/bus/graph';
import type { Element } from '@polyedge/contracts/element';
import type { Outcome } from '@polyedge/contracts/errors';
import type { Principal } from '@polyedge/contracts/principal';
import type { Filter } from '@polyedge/query/filter';
import type { Json } from '@polyedge/query/json';
import { compileGremlin, runGremlin } from './gremlin.ts';
import type { Need, Reading } from './gremlin-run.ts';
import type { Parameters } from './parameters.ts';
import { includesDeleted, withElement } from './reading.ts';
import { showingOf } from './showing.ts';
import { ask, before, fail, type Step } from './step.ts';
import { visibleTo } from './visibility.ts';

/** How long a traversal may take; beyond it the answer is 408. */
const DEADLINE_MS = 10_000;
/** Vertices whose edges are asked for at once, and rows of one answer. */
const PAGE_IDS = 500;
const PAGE_ROWS = 5000;

/** `query` of type `gremlin`. @param values what placeholders may stand for */
export function gremlin(parameters: Parameters, values: Readonly<Record<string, unknown>>, who: Principal, at: number): Step {
  const text = parameters.text('query');
  if (text === undefined) return fail('invalid', 'query is missing');
  const root = parameters.text('root');
  if (root === undefined) return fail('invalid', 'root is missing');
  const traversal = compileGremlin(text, values);
  if (!traversal.ok) return { next: 'fail', failure: traversal.failure };
  const showing = showingOf(parameters);
  const until = at + DEADLINE_MS;
  const deleted = includesDeleted(parameters);
  return before(
    until,
    withElement(root, deleted, who, (element) => {
      const run = runGremlin(traversal.value, element, showing);
      return goOn(run, run.next(), { who, until });
    }),
  );
}

interface Around {
  readonly who: Principal;
  readonly until: number;
}

function goOn(run: Reading<Outcome<readonly Json[]>>, at: IteratorResult<Need, Outcome<readonly Json[]>>, around: Around): Step {
  if (at.done === true) return at.value.ok ? { next: 'items', items: at.value.value } : { next: 'fail', failure: at.value.failure };
  const then = (found: readonly Element[]): Step => goOn(run, run.next(found), around);
  const need = at.value;
  return need.need === 'vertices' ? vertices(need.ids, [], around, then) : edges(need, 0, undefined, [], around, then);
}

function vertices(ids: readonly string[], found: readonly Element[], around: Around, then: (found: readonly Element[]) => Step): Step {
  const some = ids.slice(0, PAGE_IDS);
  if (some.length === 0) return then(found);
  const { who, until } = around;
  return before(
    until,
    ask(graphGet, { tenant: who.tenant }, { ids: some, visible: visibleTo(who), accounts: true }, ({ elements }) =>
      vertices(ids.slice(PAGE_IDS), [...found, ...elements.filter((element) => element !== null)], around, then),
    ),
  );
}

function edges(
  need: Extract<Need, { need: 'edges' }>,
  from: number,
  cursor: string | undefined,
  found: readonly Element[],
  around: Around,
  then: (found: readonly Element[]) => Step,
): Step {
  const some = need.of.slice(from, from + PAGE_IDS);
  // One more than the limit is enough for the run to refuse.
  if (some.length === 0 || found.length > need.limit) return then(found);
  const { who, until } = around;
  const filter: Filter = {
    all: [
      { test: 'equal', path: ['kind'], value: 'edge' },
      { test: 'in', path: [need.end], values: some },
      ...(need.verbs.length === 0 ? [] : [{ test: 'in', path: ['type'], values: need.verbs } as const]),
      visibleTo(who),
    ],
  };
  const question = { filter, limit: PAGE_ROWS, ...(cursor === undefined ? {} : { cursor }) };
  return before(
    until,
    ask(graphQuery, { tenant: who.tenant }, question, (reply) => {
      const all = [...found, ...reply.elements];
      if (reply.cursor !== undefined) return edges(need, from, reply.cursor, all, around, then);
      return edges(need, from + PAGE_IDS, undefined, all, around, then);
    }),
  );
}
