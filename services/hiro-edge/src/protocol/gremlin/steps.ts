/** Compiles calls to steps. */
import { isLocal, plain, refuse, text, texts } from './arguments.ts';
import { choose, chooseOption, coalesce, filter, match, patternOf, perInput, repeat } from './branches.ts';
import { coin, comparisons, has, hasNot, keep, matchesAny, sample, slice, whereLabel } from './filters.ts';
import { adjacent, ends, endsOfEdge, moved } from './moves.ts';
import type { StepCall } from './parser.ts';
import {
  allNames,
  cap,
  collect,
  group,
  groupCount,
  ITSELF,
  keepAside,
  numbers,
  order,
  path,
  project,
  properties,
  reduce,
  type Sorting,
  select,
  sizeOf,
  tree,
  unfolded,
  valueMap,
} from './results.ts';
import { type By, byValues, idOrLabel, move, pathOf, perTraverser, run, type TraversalStep, type Traverser } from './run.ts';
import { attributeOf, json, nameOf, weightOf } from './values.ts';

const FORBIDDEN =
  /^(?:V|E|add[A-Z]\w*|drop|inject|io|program|pageRank|peerPressure|subgraph|sideEffect|withSideEffect|iterate|profile|explain)$/;
const REDUCING: ReadonlySet<string> = new Set(['count', 'sum', 'min', 'max', 'mean', 'fold', 'group', 'groupCount']);

/** @throws TraversalError with the position of a step that is unknown, forbidden or wrongly used */
export function compileCalls(calls: readonly StepCall[]): readonly TraversalStep[] {
  const steps: TraversalStep[] = [];
  const rest = [...calls];
  for (let call = rest.shift(); call !== undefined; call = rest.shift()) {
    const modulators: StepCall[] = [];
    const takes = call.name === 'repeat' || isLoop(call) ? isLoopOrRepeat : call.name === 'choose' ? isOption : isBy;
    while (rest[0] !== undefined && takes(rest[0]) && !(rest[0].name === 'repeat' && [call, ...modulators].some(isRepeat))) {
      modulators.push(...rest.splice(0, 1));
    }
    steps.push(isLoopOrRepeat(call) ? repeat([call, ...modulators], nested) : compileCall(call, modulators));
  }
  return steps;
}

const isOption = ({ name }: StepCall): boolean => name === 'option';
const isBy = ({ name }: StepCall): boolean => name === 'by';
const isRepeat = ({ name }: StepCall): boolean => name === 'repeat';
const isLoop = ({ name }: StepCall): boolean => name === 'times' || name === 'until' || name === 'emit';
const isLoopOrRepeat = (call: StepCall): boolean => isRepeat(call) || isLoop(call);

function compileCall(call: StepCall, modulators: readonly StepCall[]): TraversalStep {
  const { name, args } = call;
  const bys = modulators.filter(isBy).map(toBy);
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
      return hasNot(call);
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
      return function* (inputs, origins, context) {
        const results: Traverser[] = [];
        for (const branch of branches) results.push(...(yield* run(branch, inputs, origins, context)));
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
    case 'choose':
      return compileChoose(call, modulators);
    case 'match':
      return match(
        call,
        call.args.map((arg) =>
          arg.is === 'traversal' ? patternOf(call, arg.calls, compileCalls) : refuse(call, '"match" takes traversals'),
        ),
      );
    case 'sample':
    case 'shuffle':
      return sample(call);
    case 'coin':
      return coin(call);
    case 'aggregate':
    case 'store':
      return collect(text(call, 0), by);
    case 'cap':
      // In Gremlin 2 this returns the results of the previous step, which are already here.
      return call.args.length === 0 ? perTraverser((at) => [at]) : cap(call, texts(call));
    case 'tree':
      return aside(call, tree(bys.map((one) => one.by)));
    case 'properties':
      return properties(texts(call));
    case 'key':
    case 'value':
      return perTraverser((at) => attributeOf(at.value, name).map((value) => move(at, value)));
    case 'property':
    case 'getProperty':
      // With one argument it reads (Gremlin 2), with more it writes (Gremlin 3).
      if (call.args.length !== 1) return refuse(call, 'the step "property" is not allowed');
      return perTraverser((at) => attributeOf(at.value, text(call, 0)).map((value) => move(at, value)));
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
      return function* (inputs, _origins, context) {
        const values = yield* byValues(by, inputs, context);
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
    case 'groupBy':
      return aside(call, group(by, bys[1]?.by));
    case 'groupCount':
      return aside(call, groupCount(by));
    default:
      return refuse(call, `the step ${JSON.stringify(name.slice(0, 50))} is ${FORBIDDEN.test(name) ? 'not allowed' : 'not known'}`);
  }
}

function compileSelect(call: StepCall, bys: readonly By[]): TraversalStep {
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

/** Steps with a name store their results for `cap`, and pass their inputs. */
const aside = (call: StepCall, step: TraversalStep): TraversalStep =>
  call.args.some(({ is }) => is === 'value') ? keepAside(text(call, 0), step) : step;

function compileChoose(call: StepCall, options: readonly StepCall[]): TraversalStep {
  if (options.length === 0) {
    if (call.args.length < 2 || call.args.length > 3) return refuse(call, '"choose" takes a test and one or two traversals, or options');
    return choose(nested(call, 0), nested(call, 1), call.args.length === 3 ? nested(call, 2) : []);
  }
  const branches = options.map((option) => {
    const [when, branch] = option.args.length === 1 ? [undefined, option.args[0]] : option.args;
    if (when?.is === 'traversal' || branch?.is !== 'traversal') return refuse(option, '"option" takes a value and a traversal');
    const otherwise = when === undefined || (when.is === 'token' && when.name === 'none');
    return { when: otherwise ? ('else' as const) : when, steps: compileCalls(branch.calls) };
  });
  return chooseOption(toBy({ ...call, name: 'by' }).by, branches);
}

// Arguments

function toBy(call: StepCall): Sorting {
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

function nested(call: StepCall, at: number): readonly TraversalStep[] {
  const arg = call.args[at];
  return arg?.is === 'traversal' ? compileCalls(arg.calls) : refuse(call, `${JSON.stringify(call.name)} takes a traversal`);
}

function allNested(call: StepCall): readonly (readonly TraversalStep[])[] {
  return call.args.length === 0
    ? refuse(call, `${JSON.stringify(call.name)} takes traversals`)
    : call.args.map((_, at) => nested(call, at));
}
