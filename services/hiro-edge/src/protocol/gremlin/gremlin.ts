/**
 * Gremlin queries (HIRO Graph API, Gremlin): an anonymous, read-only traversal that starts at one vertex. The steps are those that HIRO's
 * clients make; steps that write, or that start anew from the whole graph, are refused.
 */
import type { Element } from '@polyedge/contracts/element';
import { done, failed, type Outcome } from '@polyedge/contracts/errors';
import type { Json } from '@polyedge/query/json';
import type { Showing } from '../element/vertex.ts';
import { parseGremlin } from './parser.ts';
import { type Reading, run, type Step, start, World } from './run.ts';
import { compileCalls } from './steps.ts';
import { Refusal, Shower } from './values.ts';

/** A compiled traversal; it may be run any number of times. */
export interface Traversal {
  readonly steps: readonly Step[];
}

/** Compiles a traversal. Failures are `invalid`, with the position in the detail. Never throws. */
export function compileGremlin(text: string, placeholders: Readonly<Record<string, unknown>> = {}): Outcome<Traversal> {
  const calls = parseGremlin(text, placeholders);
  if (!calls.ok) return calls;
  const steps = refusing(() => compileCalls(calls.value));
  return steps.ok ? done({ steps: steps.value }) : steps;
}

/**
 * Runs a traversal from a vertex. Yields what it needs to read and returns the items of the answer, none of them null, or `invalid` when
 * it goes over its limits (10,000 traversers). The deadline is its driver's: a run that is not continued costs nothing.
 */
export function* runGremlin({ steps }: Traversal, root: Element, showing: Showing = {}): Reading<Outcome<readonly Json[]>> {
  try {
    const results = yield* run(steps, [start({ is: 'element', element: root }, 0)], [0], new World(root));
    const shower = new Shower(showing);
    return done(results.map(({ value }) => shower.show(value)).filter((item) => item !== null));
  } catch (error) {
    if (error instanceof Refusal) return failed('invalid', error.message);
    throw error;
  }
}

function refusing<T>(make: () => T): Outcome<T> {
  try {
    return done(make());
  } catch (error) {
    if (error instanceof Refusal) return failed('invalid', error.message);
    throw error;
  }
}
