/** From calls to steps: what each step of a traversal does. */
import type { Json } from '@polyedge/query/json';
import { textOf } from '@polyedge/query/text';
import { adjacent, ends, endsOfEdge, moved } from './gremlin-moves.ts';
import type { Argument, Call } from './gremlin-parser.ts';
import {
  allNames,
  group,
  groupCount,
  ITSELF,
  numbers,
  order,
  path,
  project,
  reduce,
  type Sorting,
  select,
  sizeOf,
  unfolded,
  valueMap,
} from './gremlin-results.ts';
import {
  type By,
  byValues,
  each,
  idOrLabel,
  labelled,
  move,
  pathOf,
  perOrigin,
  perTraverser,
  type Reading,
  RUN_LIMITS,
  run,
  type Step,
  type Traverser,
  type World,
} from './gremlin-run.ts';
import { attributeOf, fulfils, json, nameOf, Refusal, type Value, weightOf } from './gremlin-values.ts';

const FORBIDDEN =
  /^(?:V|E|add[A-Z]\w*|drop|property|inject|io|program|pageRank|peerPressure|subgraph|sideEffect|withSideEffect|iterate|profile|explain|store|aggregate|cap)$/;
/** See `RUN_LIMITS.values`. */
const COMPARISONS_PER_VALUE = 16;
const REDUCING: ReadonlySet<string> = new Set(['count', 'sum', 'min', 'max', 'mean', 'fold', 'group', 'groupCount']);

/** @throws Refusal with the position of a step that is unknown, forbidden or wrongly used */
export function compileCalls(calls: readonly Call[]): readonly Step[] {
  const steps: Step[] = [];
  const rest = [...calls];
  for (let call = rest.shift(); call !== undefined; call = rest.shift()) {
    const modulators: Call[] = [];
    const takes = call.name === 'repeat' || isLoop(call) ? isLoopOrRepeat : isBy;
    while (rest[0] !== undefined && takes(rest[0]) && !(rest[0].name === 'repeat' && [call, ...modulators].some(isRepeat))) {
      modulators.push(...rest.splice(0, 1));
    }
    steps.push(isLoopOrRepeat(call) ? repeat([call, ...modulators]) : compileCall(call, modulators));
  }
  return steps;
}

const isBy = ({ name }: Call): boolean => name === 'by';
const isRepeat = ({ name }: Call): boolean => name === 'repeat';
const isLoop = ({ name }: Call): boolean => name === 'times' || name === 'until' || name === 'emit';
const isLoopOrRepeat = (call: Call): boolean => isRepeat(call) || isLoop(call);

function refuse(call: Call, what: string): never {
  throw new Refusal(`gremlin: ${what} at position ${call.at}`);
}

function compileCall(call: Call, modulators: readonly Call[]): Step {
  const { name, args } = call;
  const bys = modulators.map(toBy);
  const by = bys[0]?.by ?? ITSELF;
  switch (name) {
    case 'out':
    case 'in':
    case 'both':
      return adjacent(ends(name), texts(call), 'vertex');
    case 'outE':
    case 'inE':
    case 'bothE':
      return adjacent(ends(name.slice(0, -1)), texts(call), 'edge');
    case 'outV':
    case 'inV':
    case 'bothV':
    case 'otherV':
      return endsOfEdge(name);
    case 'has':
      return has(call);
    case 'hasNot':
      return perTraverser((at) => (attributeOf(at.value, text(call, 0)).length === 0 ? [at] : []));
    case 'hasLabel':
    case 'hasId': {
      const which = name === 'hasId' ? 'id' : 'label';
      return keep((value) => matchesAny(idOrLabel(value, which), args), comparisons(args));
    }
    case 'is':
      return keep((value) => matchesAny(value, args.slice(0, 1)), comparisons(args));
    case 'where':
    case 'filter':
      return args[0]?.is === 'traversal' ? filter([nested(call, 0)], (found) => found[0] === true) : whereLabel(call);
    case 'not':
      return filter([nested(call, 0)], (found) => found[0] === false);
    case 'and':
      return filter(allNested(call), (found) => !found.includes(false));
    case 'or':
      return filter(allNested(call), (found) => found.includes(true));
    case 'union': {
      const branches = allNested(call);
      return function* (inputs, origins, world) {
        const results: Traverser[] = [];
        for (const branch of branches) results.push(...(yield* run(branch, inputs, origins, world)));
        return results;
      };
    }
    case 'coalesce':
      return coalesce(allNested(call));
    case 'optional':
      return coalesce([nested(call, 0), []]);
    case 'map':
      return perInput(nested(call, 0), (results) => results.slice(0, 1));
    case 'flatMap':
    case 'local':
      return perInput(nested(call, 0), (results) => results);
    case 'identity':
      return perTraverser((at) => [at]);
    case 'constant': {
      const value = json(plain(call, 0));
      return perTraverser((at) => [move(at, value)]);
    }
    case 'id':
    case 'label':
      return perTraverser((at) => moved(at, idOrLabel(at.value, name)));
    case 'values': {
      const names = texts(call);
      return perTraverser(
        (at) =>
          (names.length === 0 ? allNames(at.value) : names).flatMap((key) => attributeOf(at.value, key).map((value) => move(at, value))),
        () => names.length,
      );
    }
    case 'valueMap': {
      const names = texts(call);
      return perTraverser(
        (at) => [move(at, valueMap(at.value, names.length === 0 ? allNames(at.value) : names))],
        () => names.length,
      );
    }
    case 'as': {
      const labels = texts(call);
      return perTraverser((at) => [{ ...at, labels: [...at.labels, ...labels] }]);
    }
    case 'select':
      return compileSelect(
        call,
        bys.map((one) => one.by),
      );
    case 'project':
      return project(
        texts(call),
        bys.map((one) => one.by),
      );
    case 'path':
      return path(bys.map((one) => one.by));
    case 'simplePath':
    case 'cyclicPath':
      return perTraverser(
        (at) => {
          const names = pathOf(at).map(({ value }) => nameOf(value));
          return (new Set(names).size === names.length) === (name === 'simplePath') ? [at] : [];
        },
        (at) => pathOf(at).reduce((total, { value }) => total + weightOf(value), 0),
      );
    case 'dedup':
      return function* (inputs, _origins, world) {
        const values = yield* byValues(by, inputs, world);
        const seen = new Set<string>();
        return inputs.filter(({ origin }, at) => {
          const value = values[at];
          const key = `${origin} ${value === undefined ? '' : nameOf(value)}`;
          return !seen.has(key) && seen.add(key);
        });
      };
    case 'order':
      return order(bys);
    case 'limit':
    case 'range':
    case 'skip':
    case 'tail':
      return slice(call);
    case 'count':
      return isLocal(call) ? perTraverser((at) => [move(at, json(sizeOf(at.value)))]) : reduce((values) => json(values.length));
    case 'fold':
      return reduce((items) => ({ is: 'list', items }));
    case 'unfold':
      return perTraverser((at) => unfolded(at.value).map((value) => move(at, value)));
    case 'sum':
    case 'mean':
    case 'min':
    case 'max':
      return numbers(name);
    case 'group':
      return group(by, bys[1]?.by);
    case 'groupCount':
      return groupCount(by);
    default:
      return refuse(call, `the step ${JSON.stringify(name.slice(0, 50))} is ${FORBIDDEN.test(name) ? 'not allowed' : 'not known'}`);
  }
}

// ---- filtering --------------------------------------------------------------------------------------------------------------------------

const keep = (test: (value: Value) => boolean, cost = 0): Step =>
  perTraverser(
    (at) => (test(at.value) ? [at] : []),
    () => cost,
  );

/** What comparing one traverser with these costs: a comparison is much cheaper than a value that is kept. */
const comparisons = (wanted: readonly Argument[]): number =>
  Math.floor(wanted.reduce((total, one) => total + valuesIn(one), 0) / COMPARISONS_PER_VALUE);
const valuesIn = (one: Argument): number =>
  one.is === 'predicate' ? one.values.length : one.is === 'value' && Array.isArray(one.value) ? one.value.length : 1;

const matchesAny = (value: Value | undefined, wanted: readonly Argument[]): boolean =>
  value !== undefined && wanted.some((one) => fulfils(value, one));

function has(call: Call): Step {
  const [first, second, third, ...more] = call.args;
  if (first === undefined || more.length > 0) return refuse(call, '"has" takes one to three arguments');
  if ([second, third].some((arg) => arg?.is === 'traversal' || arg?.is === 'token'))
    return refuse(call, '"has" compares with values or predicates');
  if (first.is === 'token' && second !== undefined && (first.name === 'id' || first.name === 'label')) {
    const which = first.name;
    return keep((value) => matchesAny(idOrLabel(value, which), [second]), comparisons([second]));
  }
  if (third !== undefined) {
    return keep(
      (value) => matchesAny(idOrLabel(value, 'label'), [first]) && attributeOf(value, text(call, 1)).some((one) => fulfils(one, third)),
      comparisons(call.args),
    );
  }
  const name = text(call, 0);
  return keep((value) => attributeOf(value, name).some((one) => second === undefined || fulfils(one, second)), comparisons(call.args));
}

function filter(branches: readonly (readonly Step[])[], passes: (found: readonly boolean[]) => boolean): Step {
  return function* (inputs, _origins, world) {
    const found: (readonly boolean[])[] = [];
    for (const branch of branches) found.push((yield* each(branch, inputs, world)).map((results) => results.length > 0));
    return inputs.filter((_, at) => passes(found.map((branch) => branch[at] === true)));
  };
}

/** `where(neq('a'))` and `where('a', neq('b'))`: compares things on the path by their labels. */
function whereLabel(call: Call): Step {
  const predicate = call.args.at(-1);
  const from = call.args.length === 2 ? text(call, 0) : undefined;
  if (predicate?.is !== 'predicate' || !['eq', 'neq', 'within', 'without'].includes(predicate.name)) {
    return refuse(call, `${JSON.stringify(call.name)} takes a traversal, or eq, neq, within or without of labels`);
  }
  const equal = predicate.name === 'eq' || predicate.name === 'within';
  return perTraverser(
    (at) => {
      const here = from === undefined ? at : labelled(at, from);
      const others = predicate.values.flatMap((label) => labelled(at, textOf(label) ?? '') ?? []);
      if (here === undefined || others.length === 0) return [];
      const name = nameOf(here.value);
      return others.some(({ value }) => nameOf(value) === name) === equal ? [at] : [];
    },
    () => predicate.values.length,
  );
}

function slice(call: Call): Step {
  const args = call.args.filter((arg) => arg.is === 'value').map((arg) => arg.value);
  const whole = args.map((value) =>
    typeof value === 'number' && Number.isInteger(value) ? value : refuse(call, 'expected whole numbers'),
  );
  const [first = call.name === 'tail' ? 1 : refuse(call, 'expected a number'), second = -1] = whole;
  const cut = <T>(items: readonly T[]): readonly T[] => {
    if (call.name === 'limit') return first < 0 ? items : items.slice(0, first);
    if (call.name === 'skip') return items.slice(Math.max(0, first));
    if (call.name === 'tail') return first <= 0 ? [] : items.slice(-first);
    return items.slice(Math.max(0, first), second < 0 ? undefined : second);
  };
  if (!isLocal(call)) return perOrigin(cut);
  return perTraverser((at) => [move(at, at.value.is === 'list' ? { is: 'list', items: cut(at.value.items) } : at.value)]);
}

function compileSelect(call: Call, bys: readonly By[]): Step {
  const [token] = call.args;
  if (token?.is === 'token' && (token.name === 'keys' || token.name === 'values')) {
    const keys = token.name === 'keys';
    return perTraverser((at) =>
      at.value.is === 'map' ? [move(at, { is: 'list', items: at.value.entries.map(([key, value]) => (keys ? json(key) : value)) })] : [],
    );
  }
  const labels = texts(call);
  return labels.length === 0 ? refuse(call, '"select" names labels') : select(labels, bys);
}

// ---- branching --------------------------------------------------------------------------------------------------------------------------

function perInput(steps: readonly Step[], take: (results: readonly Traverser[]) => readonly Traverser[]): Step {
  return function* (inputs, _origins, world) {
    return (yield* each(steps, inputs, world)).flatMap(take);
  };
}

function coalesce(branches: readonly (readonly Step[])[]): Step {
  return function* (inputs, _origins, world) {
    const results = new Map<Traverser, readonly Traverser[]>();
    for (const branch of branches) {
      const open = inputs.filter((input) => !results.has(input));
      const found = yield* each(branch, open, world);
      for (const [at, input] of open.entries()) if ((found[at]?.length ?? 0) > 0) results.set(input, found[at] ?? []);
    }
    return inputs.flatMap((input) => results.get(input) ?? []);
  };
}

/** `repeat` with `times`, `until` and `emit`; those before it are asked before each round, those after it afterwards. */
function repeat(calls: readonly Call[]): Step {
  const at = calls.findIndex(isRepeat);
  const [body] = calls.slice(at);
  if (at < 0 || body === undefined) return refuse(calls[0] ?? { name: '', args: [], at: 0 }, `${calls[0]?.name} stands without repeat`);
  const steps = nested(body, 0);
  const [before, after] = [exits(calls.slice(0, at)), exits(calls.slice(at + 1))];
  return function* (inputs, _origins, world) {
    const results: Traverser[] = [];
    let current = inputs;
    for (let loops = 0; ; loops += 1) {
      for (const { until, emit } of loops === 0 ? [before] : [after, before]) {
        const ends = yield* tested(until, current, loops, world);
        results.push(...current.filter((_, index) => ends[index]));
        current = current.filter((_, index) => !ends[index]);
        const emits = yield* tested(emit, current, loops, world);
        results.push(...current.filter((_, index) => emits[index]));
        world.spend(results.length);
      }
      if (current.length === 0) return results;
      if (loops === RUN_LIMITS.loops) throw new Refusal(`gremlin: repeat goes on for more than ${RUN_LIMITS.loops} rounds`);
      // Each traverser goes round by itself: a limit inside counts per round over all of them, as in TinkerPop.
      current = yield* run(steps, current, [...new Set(current.map(({ origin }) => origin))], world);
    }
  };
}

type Exit = number | readonly Step[] | 'all' | undefined;

function exits(calls: readonly Call[]): { readonly until: Exit; readonly emit: Exit } {
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

function* tested(exit: Exit, current: readonly Traverser[], loops: number, world: World): Reading<readonly boolean[]> {
  if (exit === undefined) return current.map(() => false);
  if (exit === 'all') return current.map(() => true);
  if (typeof exit === 'number') return current.map(() => loops >= exit);
  return (yield* each(exit, current, world)).map((results) => results.length > 0);
}

// ---- arguments --------------------------------------------------------------------------------------------------------------------------

function toBy(call: Call): Sorting {
  const direction = call.args.find((arg) => arg.is === 'token' && /^(?:asc|desc|decr|incr)$/.test(arg.name));
  const sign = direction?.is === 'token' && direction.name.startsWith('de') ? -1 : 1;
  const [first] = call.args;
  if (first === undefined || first === direction) return { by: ITSELF, sign };
  if (first.is === 'traversal') {
    const reduces = REDUCING.has(first.calls.findLast(({ name }) => name !== 'by')?.name ?? '');
    return { by: { of: 'traversal', steps: compileCalls(first.calls), reduces }, sign };
  }
  if (first.is === 'token' && (first.name === 'id' || first.name === 'label')) return { by: { of: first.name }, sign };
  return { by: { of: 'attribute', name: text(call, 0) }, sign };
}

const isLocal = (call: Call): boolean => call.args.some((arg) => arg.is === 'token' && arg.name === 'local');

function nested(call: Call, at: number): readonly Step[] {
  const arg = call.args[at];
  return arg?.is === 'traversal' ? compileCalls(arg.calls) : refuse(call, `${JSON.stringify(call.name)} takes a traversal`);
}

function allNested(call: Call): readonly (readonly Step[])[] {
  return call.args.length === 0
    ? refuse(call, `${JSON.stringify(call.name)} takes traversals`)
    : call.args.map((_, at) => nested(call, at));
}

function plain(call: Call, at: number): Json {
  const arg = call.args[at];
  return arg?.is === 'value' ? arg.value : refuse(call, `${JSON.stringify(call.name)} takes a plain value`);
}

function text(call: Call, at: number): string {
  const value = plain(call, at);
  const written = typeof value === 'boolean' ? undefined : textOf(value);
  return written ?? refuse(call, `${JSON.stringify(call.name)} takes a text`);
}

/** All arguments as texts; a list counts as its elements. */
function texts(call: Call): readonly string[] {
  return call.args.flatMap((arg, at) =>
    arg.is === 'value' && Array.isArray(arg.value) ? arg.value.map((one) => textOf(one) ?? '') : [text(call, at)],
  );
}
