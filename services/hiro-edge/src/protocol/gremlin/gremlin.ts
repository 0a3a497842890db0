/**
 * Gremlin queries (HIRO Graph API, Gremlin): an anonymous, read-only traversal that starts at one vertex. It supports the steps that HIRO's
 * clients use; steps that write, or that start from the whole graph, are rejected.
 */
import type { Element } from '@polyedge/contracts/element';
import { done, failed, type Outcome } from '@polyedge/contracts/errors';
import type { Json } from '@polyedge/query/json';
import type { DisplayOptions } from '../element/vertex.ts';
import { parseGremlin } from './parser.ts';
import { RunContext, run, type StoreReads, start, type TraversalStep } from './run.ts';
import { compileCalls } from './steps.ts';
import { ResultWriter, TraversalError } from './values.ts';

/** A compiled traversal, which can be run repeatedly. */
export interface Traversal {
  readonly steps: readonly TraversalStep[];
}

/** Compiles a traversal. Failures are `invalid`, with the position in the detail. Never throws. */
export function compileGremlin(text: string, placeholders: Readonly<Record<string, unknown>> = {}): Outcome<Traversal> {
  const calls = parseGremlin(text, placeholders);
  if (!calls.ok) return calls;
  const steps = toOutcome(() => compileCalls(calls.value));
  return steps.ok ? done({ steps: steps.value }) : steps;
}

/**
 * Runs a traversal from a vertex. Yields the reads it needs and returns the items of the answer, none of them null, or `invalid` if
 * it exceeds its limits (10,000 traversers). The caller enforces the deadline: a run that is not resumed costs nothing.
 */
export function* runGremlin({ steps }: Traversal, root: Element, display: DisplayOptions = {}): StoreReads<Outcome<readonly Json[]>> {
  try {
    const results = yield* run(steps, [start({ is: 'element', element: root }, 0)], [0], new RunContext(root));
    const writer = new ResultWriter(display);
    return done(results.map(({ value }) => writer.show(value)).filter((item) => item !== null));
  } catch (error) {
    if (error instanceof TraversalError) return failed('invalid', error.message);
    throw error;
  }
}

function toOutcome<T>(make: () => T): Outcome<T> {
  try {
    return done(make());
  } catch (error) {
    if (error instanceof TraversalError) return failed('invalid', error.message);
    throw error;
  }
}
