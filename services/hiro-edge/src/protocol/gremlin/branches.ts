/** Steps that run nested traversals: in sequence, one of several, or repeatedly. */
import { plain, refuse, text } from './arguments.ts';
import type { Argument, StepCall } from './parser.ts';
import {
  type By,
  byValues,
  each,
  move,
  RUN_LIMITS,
  type RunContext,
  run,
  type StoreReads,
  type TraversalStep,
  type Traverser,
} from './run.ts';
import { fulfils, nameOf, TraversalError, type Value } from './values.ts';

/** Returns the compiled traversal of a call's argument at an index. */
export type Nested = (call: StepCall, at: number) => readonly TraversalStep[];

const isRepeat = ({ name }: StepCall): boolean => name === 'repeat';

export function filter(branches: readonly (readonly TraversalStep[])[], passes: (found: readonly boolean[]) => boolean): TraversalStep {
  return function* (inputs, _origins, context) {
    const found: (readonly boolean[])[] = [];
    for (const branch of branches) found.push((yield* each(branch, inputs, context)).map((results) => results.length > 0));
    return inputs.filter((_, at) => passes(found.map((branch) => branch[at] === true)));
  };
}

export function perInput(steps: readonly TraversalStep[], take: (results: readonly Traverser[]) => readonly Traverser[]): TraversalStep {
  return function* (inputs, _origins, context) {
    return (yield* each(steps, inputs, context)).flatMap(take);
  };
}

export function coalesce(branches: readonly (readonly TraversalStep[])[]): TraversalStep {
  return function* (inputs, _origins, context) {
    const results = new Map<Traverser, readonly Traverser[]>();
    for (const branch of branches) {
      const open = inputs.filter((input) => !results.has(input));
      const found = yield* each(branch, open, context);
      for (const [at, input] of open.entries()) if ((found[at]?.length ?? 0) > 0) results.set(input, found[at] ?? []);
    }
    return inputs.flatMap((input) => results.get(input) ?? []);
  };
}

/** `repeat` with `times`, `until` and `emit`; those before it are evaluated before each round, those after it afterwards. */
export function repeat(calls: readonly StepCall[], nested: Nested): TraversalStep {
  const at = calls.findIndex(isRepeat);
  const [body] = calls.slice(at);
  if (at < 0 || body === undefined) return refuse(calls[0] ?? { name: '', args: [], at: 0 }, `${calls[0]?.name} stands without repeat`);
  const steps = nested(body, 0);
  const [before, after] = [exits(calls.slice(0, at), nested), exits(calls.slice(at + 1), nested)];
  return function* (inputs, _origins, context) {
    const results: Traverser[] = [];
    let current = inputs;
    for (let loops = 0; ; loops += 1) {
      for (const { until, emit } of loops === 0 ? [before] : [after, before]) {
        const ends = yield* tested(until, current, loops, context);
        results.push(...current.filter((_, index) => ends[index]));
        current = current.filter((_, index) => !ends[index]);
        const emits = yield* tested(emit, current, loops, context);
        results.push(...current.filter((_, index) => emits[index]));
        context.spend(results.length);
      }
      if (current.length === 0) return results;
      if (loops === RUN_LIMITS.loops) throw new TraversalError(`gremlin: repeat goes on for more than ${RUN_LIMITS.loops} rounds`);
      // Each traverser loops independently; a limit inside counts per round over all of them, as in TinkerPop.
      current = yield* run(steps, current, [...new Set(current.map(({ origin }) => origin))], context);
    }
  };
}

type Exit = number | readonly TraversalStep[] | 'all' | undefined;

function exits(calls: readonly StepCall[], nested: Nested): { readonly until: Exit; readonly emit: Exit } {
  let until: Exit;
  let emit: Exit;
  for (const call of calls) {
    if (call.name === 'emit') emit = call.args.length === 0 ? 'all' : nested(call, 0);
    else if (call.name === 'until') until = nested(call, 0);
    else {
      const times = plain(call, 0);
      until = typeof times === 'number' && Number.isInteger(times) && times >= 0 ? times : refuse(call, 'times takes a whole number');
    }
  }
  return { until, emit };
}

function* tested(exit: Exit, current: readonly Traverser[], loops: number, context: RunContext): StoreReads<readonly boolean[]> {
  if (exit === undefined) return current.map(() => false);
  if (exit === 'all') return current.map(() => true);
  if (typeof exit === 'number') return current.map(() => loops >= exit);
  return (yield* each(exit, current, context)).map((results) => results.length > 0);
}

/** `choose(test, then, else)`: without an `else`, traversers that fail the test pass unchanged. */
export function choose(test: readonly TraversalStep[], then: readonly TraversalStep[], otherwise: readonly TraversalStep[]): TraversalStep {
  return function* (inputs, origins, context) {
    const passes = (yield* each(test, inputs, context)).map((results) => results.length > 0);
    const [yes, no] = [inputs.filter((_, at) => passes[at]), inputs.filter((_, at) => !passes[at])];
    return [...(yield* run(then, yes, origins, context)), ...(yield* run(otherwise, no, origins, context))];
  };
}

/** `choose(what).option(value, then)…`: the first matching option; traversers that match none pass unchanged. */
export function chooseOption(
  what: By,
  options: readonly { readonly when: Argument | 'else'; readonly steps: readonly TraversalStep[] }[],
): TraversalStep {
  return function* (inputs, origins, context) {
    const values = yield* byValues(what, inputs, context);
    context.charge(inputs.length * options.length);
    const fits = (value: Value | undefined): number =>
      options.findIndex(({ when }) => when === 'else' || (value !== undefined && fulfils(value, when)));
    const chosen = values.map(fits);
    const results: Traverser[] = inputs.filter((_, at) => chosen[at] === -1);
    for (const [index, { steps }] of options.entries()) {
      results.push(
        ...(yield* run(
          steps,
          inputs.filter((_, at) => chosen[at] === index),
          origins,
          context,
        )),
      );
    }
    return results;
  };
}

interface MatchPattern {
  readonly from: string;
  readonly steps: readonly TraversalStep[];
  readonly to: string | undefined;
}

/** A pattern of `match`: begins at a label and may end at one. */
export function patternOf(
  call: StepCall,
  calls: readonly StepCall[],
  compile: (calls: readonly StepCall[]) => readonly TraversalStep[],
): MatchPattern {
  const [first, ...rest] = calls;
  if (first?.name !== 'as') return refuse(call, 'a pattern of "match" begins with "as"');
  const last = rest.at(-1);
  const ends = last?.name === 'as' ? text(last, 0) : undefined;
  return { from: text(first, 0), steps: compile(ends === undefined ? rest : rest.slice(0, -1)), to: ends };
}

/**
 * `match`: binds all labels so that every pattern holds. The input is the first label. A pattern is evaluated once its start is bound, so the
 * patterns may be in any order; each evaluation is bounded like every other step.
 */
export function match(call: StepCall, patterns: readonly MatchPattern[]): TraversalStep {
  const order: MatchPattern[] = [];
  const known = new Set(patterns.slice(0, 1).map(({ from }) => from));
  for (let left = [...patterns]; left.length > 0; ) {
    const next = left.find(({ from }) => known.has(from));
    if (next === undefined) return refuse(call, 'a pattern of "match" begins at a label that no other one leads to');
    order.push(next);
    if (next.to !== undefined) known.add(next.to);
    left = left.filter((pattern) => pattern !== next);
  }
  const start = order[0]?.from ?? '';
  return function* (inputs, _origins, context) {
    let found = inputs.map((at) => ({ at, bound: new Map([[start, at.value]]) }));
    for (const { from, steps, to } of order) {
      const begins = found.flatMap(({ at, bound }) => {
        const value = bound.get(from);
        return value === undefined ? [] : [move(at, value)];
      });
      const results = yield* each(steps, begins, context);
      const next: typeof found = [];
      for (const [index, one] of found.entries()) {
        const reached = results[index] ?? [];
        context.charge(reached.length);
        if (to === undefined) {
          if (reached.length > 0) next.push(one);
          continue;
        }
        const already = one.bound.get(to);
        for (const { value } of reached) {
          if (already === undefined) next.push({ at: one.at, bound: new Map([...one.bound, [to, value]]) });
          else if (nameOf(already) === nameOf(value)) next.push(one);
        }
        if (next.length > RUN_LIMITS.traversers) context.spend(next.length);
      }
      found = next;
    }
    return found.map(({ at, bound }) => move(at, { is: 'map', entries: [...bound] }));
  };
}
