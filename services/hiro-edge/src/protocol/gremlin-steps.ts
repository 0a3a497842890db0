/** From calls to steps: what each step of a traversal does. */
import type { Element } from '@polyedge/contracts/element';
import type { Json } from '@polyedge/query/json';
import { plainDecimal, textOf } from '@polyedge/query/text';
import type { Argument, Call } from './gremlin-parser.ts';
import {
  type By,
  byValues,
  each,
  grouped,
  idOrLabel,
  labelled,
  move,
  ordered,
  pathOf,
  perOrigin,
  perTraverser,
  type Reading,
  Refusal,
  RUN_LIMITS,
  run,
  type Step,
  start,
  type Traverser,
  type World,
} from './gremlin-run.ts';
import { attributeOf, compareValues, fulfils, json, nameOf, type Value } from './gremlin-values.ts';
import { toVertex } from './vertex.ts';

const FORBIDDEN =
  /^(?:V|E|add[A-Z]\w*|drop|property|inject|io|program|pageRank|peerPressure|subgraph|sideEffect|withSideEffect|iterate|profile|explain|store|aggregate|cap)$/;
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
      return keep((value) => matchesAny(idOrLabel(value, which), args));
    }
    case 'is':
      return keep((value) => matchesAny(value, args.slice(0, 1)));
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
      return perTraverser((at) =>
        (names.length === 0 ? allNames(at.value) : names).flatMap((key) => attributeOf(at.value, key).map((value) => move(at, value))),
      );
    }
    case 'valueMap': {
      const names = texts(call);
      return perTraverser((at) => [move(at, valueMap(at.value, names.length === 0 ? allNames(at.value) : names))]);
    }
    case 'as': {
      const labels = texts(call);
      return perTraverser((at) => [{ ...at, labels: [...at.labels, ...labels] }]);
    }
    case 'select':
      return select(
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
      return perTraverser((at) => {
        const names = pathOf(at).map(({ value }) => nameOf(value));
        return (new Set(names).size === names.length) === (name === 'simplePath') ? [at] : [];
      });
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

// ---- moving -----------------------------------------------------------------------------------------------------------------------------

const ends = (name: string): readonly ('out' | 'in')[] => (name === 'both' ? ['out', 'in'] : name === 'in' ? ['in'] : ['out']);
const vertexId = ({ value }: Traverser): string[] => (value.is === 'element' && value.element.kind === 'vertex' ? [value.element.id] : []);

function adjacent(directions: readonly ('out' | 'in')[], verbs: readonly string[], to: 'vertex' | 'edge'): Step {
  return function* (inputs, _origins, world) {
    const ids = inputs.flatMap(vertexId);
    const hops: { at: Traverser; edge: Element; other: string }[] = [];
    const found: { readonly end: 'out' | 'in'; readonly edges: (id: string) => readonly Element[] }[] = [];
    for (const end of directions) found.push({ end, edges: yield* world.edges(ids, end, verbs) });
    for (const at of inputs) {
      for (const id of vertexId(at)) {
        for (const { end, edges } of found) {
          for (const edge of edges(id)) hops.push({ at, edge, other: edge[end === 'out' ? 'in' : 'out'] ?? '' });
        }
      }
      if (hops.length > RUN_LIMITS.traversers) world.spend(hops.length);
    }
    if (to === 'edge') return hops.map(({ at, edge }) => move(at, { is: 'element', element: edge }));
    const vertex = yield* world.vertices(hops.map(({ other }) => other));
    return hops.flatMap(({ at, other }) => moved(at, asElement(vertex(other))));
  };
}

function endsOfEdge(name: 'outV' | 'inV' | 'bothV' | 'otherV'): Step {
  return function* (inputs, _origins, world) {
    const hops = inputs.flatMap((at) => endIds(at, name).map((id) => ({ at, id })));
    const vertex = yield* world.vertices(hops.map(({ id }) => id));
    return hops.flatMap(({ at, id }) => moved(at, asElement(vertex(id))));
  };
}

function endIds(at: Traverser, name: 'outV' | 'inV' | 'bothV' | 'otherV'): readonly string[] {
  if (at.value.is !== 'element' || at.value.element.kind !== 'edge') return [];
  const { out = '', in: into = '' } = at.value.element;
  if (name === 'bothV') return [out, into];
  if (name !== 'otherV') return name === 'outV' ? [out] : [into];
  const from = at.before === undefined ? undefined : vertexId(at.before)[0];
  return [from === into && from !== out ? out : into];
}

const asElement = (element: Element | undefined): Value | undefined => (element === undefined ? undefined : { is: 'element', element });
const moved = (at: Traverser, value: Value | undefined): readonly Traverser[] => (value === undefined ? [] : [move(at, value)]);

// ---- filtering --------------------------------------------------------------------------------------------------------------------------

const keep = (test: (value: Value) => boolean): Step => perTraverser((at) => (test(at.value) ? [at] : []));
const matchesAny = (value: Value | undefined, wanted: readonly Argument[]): boolean =>
  value !== undefined && wanted.some((one) => fulfils(value, one));

function has(call: Call): Step {
  const [first, second, third, ...more] = call.args;
  if (first === undefined || more.length > 0) return refuse(call, '"has" takes one to three arguments');
  if ([second, third].some((arg) => arg?.is === 'traversal' || arg?.is === 'token'))
    return refuse(call, '"has" compares with values or predicates');
  if (first.is === 'token' && second !== undefined && (first.name === 'id' || first.name === 'label')) {
    const which = first.name;
    return keep((value) => matchesAny(idOrLabel(value, which), [second]));
  }
  if (third !== undefined) {
    return keep(
      (value) => matchesAny(idOrLabel(value, 'label'), [first]) && attributeOf(value, text(call, 1)).some((one) => fulfils(one, third)),
    );
  }
  const name = text(call, 0);
  return keep((value) => attributeOf(value, name).some((one) => second === undefined || fulfils(one, second)));
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
  return perTraverser((at) => {
    const here = from === undefined ? at : labelled(at, from);
    const others = predicate.values.flatMap((label) => labelled(at, textOf(label) ?? '') ?? []);
    if (here === undefined || others.length === 0) return [];
    return others.some(({ value }) => nameOf(value) === nameOf(here.value)) === equal ? [at] : [];
  });
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

// ---- taking together --------------------------------------------------------------------------------------------------------------------

const reduce = (make: (values: readonly Value[]) => Value): Step =>
  perOrigin((traversers, origin) => [start(make(traversers.map(({ value }) => value)), origin)]);

function order(bys: readonly Sorting[]): Step {
  const sortings = bys.length === 0 ? [{ by: ITSELF, sign: 1 }] : bys;
  return function* (inputs, origins, world) {
    const columns: (readonly (Value | undefined)[])[] = [];
    for (const { by } of sortings) columns.push(yield* byValues(by, inputs, world));
    const sorted = ordered(
      inputs,
      columns,
      sortings.map(({ sign }) => sign),
    );
    return yield* perOrigin((traversers) => traversers)(sorted, origins, world);
  };
}

function numbers(name: 'sum' | 'mean' | 'min' | 'max'): Step {
  return perOrigin((traversers, origin) => {
    const values = traversers.map(({ value }) => value);
    const [first] = values;
    if (first === undefined) return [];
    if (name === 'min' || name === 'max') {
      const sign = name === 'min' ? 1 : -1;
      return [
        start(
          values.reduce((best, value) => (sign * compareValues(value, best) < 0 ? value : best), first),
          origin,
        ),
      ];
    }
    const parts = values
      .map((value) => (value.is === 'json' ? Number(textOf(value.json)?.trim() || Number.NaN) : Number.NaN))
      .filter(Number.isFinite);
    if (parts.length === 0) return [];
    const sum = parts.reduce((total, part) => total + part, 0);
    return [start(json(name === 'sum' ? sum : sum / parts.length), origin)];
  });
}

function group(key: By, value: By | undefined): Step {
  return function* (inputs, origins, world) {
    const keys = yield* byValues(key, inputs, world);
    const results: Traverser[] = [];
    for (const origin of origins) {
      const mine = inputs.flatMap((input, at) => (input.origin === origin ? [{ input, key: keys[at] }] : []));
      const groups = grouped(
        mine.map(({ input }) => input),
        mine.map((one) => one.key),
      );
      const entries: [string, Value][] = [];
      for (const [name, members] of groups) entries.push([name, yield* groupValue(value, members, world)]);
      results.push(start({ is: 'map', entries }, origin));
    }
    return results;
  };
}

/** The second `by` of a group: a reducing traversal gives its one result, all else a list. */
function* groupValue(by: By | undefined, members: readonly Traverser[], world: World): Reading<Value> {
  if (by?.of !== 'traversal') {
    const values = yield* byValues(by ?? ITSELF, members, world);
    return { is: 'list', items: values.filter((value) => value !== undefined) };
  }
  const results = yield* run(
    by.steps,
    members.map((member) => ({ ...member, origin: 0 })),
    [0],
    world,
  );
  const [first] = results;
  return by.reduces && first !== undefined ? first.value : { is: 'list', items: results.map(({ value }) => value) };
}

function groupCount(key: By): Step {
  return function* (inputs, _origins, world) {
    const keys = yield* byValues(key, inputs, world);
    return yield* perOrigin((traversers, origin) => {
      const known = new Map(inputs.map((input, at) => [input, keys[at]]));
      const groups = grouped(
        traversers,
        traversers.map((one) => known.get(one)),
      );
      return [start({ is: 'map', entries: [...groups].map(([name, members]) => [name, json(members.length)] as const) }, origin)];
    })(inputs, _origins, world);
  };
}

// ---- showing ----------------------------------------------------------------------------------------------------------------------------

function select(call: Call, bys: readonly By[]): Step {
  const [token] = call.args;
  if (token?.is === 'token' && (token.name === 'keys' || token.name === 'values')) {
    const keys = token.name === 'keys';
    return perTraverser((at) =>
      at.value.is === 'map' ? [move(at, { is: 'list', items: at.value.entries.map(([key, value]) => (keys ? json(key) : value)) })] : [],
    );
  }
  const labels = texts(call);
  if (labels.length === 0) return refuse(call, '"select" names labels');
  return function* (inputs, _origins, world) {
    const columns: (readonly (Value | undefined)[])[] = [];
    for (const [at, label] of labels.entries()) {
      const things = inputs.map((input) => {
        const entry = input.value.is === 'map' ? attributeOf(input.value, label)[0] : undefined;
        return entry === undefined ? labelled(input, label) : move(input, entry);
      });
      const present = things.filter((thing) => thing !== undefined);
      const values = yield* byValues(bys[at % Math.max(1, bys.length)] ?? ITSELF, present, world);
      const known = new Map(present.map((thing, index) => [thing, values[index]]));
      columns.push(things.map((thing) => (thing === undefined ? undefined : known.get(thing))));
    }
    return inputs.flatMap((input, at) => {
      const values = columns.map((column) => column[at]);
      const [only] = values;
      if (values.length === 1) return moved(input, only);
      const entries = labels.flatMap((label, index): (readonly [string, Value])[] => {
        const value = values[index];
        return value === undefined ? [] : [[label, value]];
      });
      return entries.length < labels.length ? [] : [move(input, { is: 'map', entries })];
    });
  };
}

function project(names: readonly string[], bys: readonly By[]): Step {
  return function* (inputs, _origins, world) {
    const columns: (readonly (Value | undefined)[])[] = [];
    for (const at of names.keys()) columns.push(yield* byValues(bys[at % Math.max(1, bys.length)] ?? ITSELF, inputs, world));
    return inputs.map((input, at) => {
      const entries = names.flatMap((name, index): (readonly [string, Value])[] => {
        const value = columns[index]?.[at];
        return value === undefined ? [] : [[name, value]];
      });
      return move(input, { is: 'map', entries });
    });
  };
}

function path(bys: readonly By[]): Step {
  return function* (inputs, _origins, world) {
    const results: Traverser[] = [];
    for (const input of inputs) {
      const items: Value[] = [];
      for (const [at, thing] of pathOf(input).entries()) {
        const [value] = yield* byValues(bys[at % Math.max(1, bys.length)] ?? ITSELF, [thing], world);
        if (value !== undefined) items.push(value);
      }
      world.spend(items.length);
      results.push(move(input, { is: 'list', items }));
    }
    return results;
  };
}

const allNames = (value: Value): readonly string[] =>
  value.is === 'element' ? Object.keys(toVertex(value.element)) : value.is === 'map' ? value.entries.map(([key]) => key) : [];

/** As in TinkerPop: lists of values for vertices, plain values for edges. */
function valueMap(value: Value, names: readonly string[]): Value {
  const edge = value.is === 'element' && value.element.kind === 'edge';
  const entries = names.flatMap((name): (readonly [string, Value])[] => {
    const values = attributeOf(value, name);
    const [first] = values;
    if (first === undefined) return [];
    return [[name, edge ? first : { is: 'list', items: values }]];
  });
  return { is: 'map', entries };
}

function unfolded(value: Value): readonly Value[] {
  if (value.is === 'list') return value.items;
  return value.is === 'map' ? value.entries.map((entry) => ({ is: 'map', entries: [entry] })) : [value];
}

const sizeOf = (value: Value): number => (value.is === 'list' ? value.items.length : value.is === 'map' ? value.entries.length : 1);

// ---- arguments --------------------------------------------------------------------------------------------------------------------------

const ITSELF: By = { of: 'itself' };

interface Sorting {
  readonly by: By;
  readonly sign: number;
}

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
  if (typeof value === 'number') return plainDecimal(value);
  return typeof value === 'string' ? value : refuse(call, `${JSON.stringify(call.name)} takes a text`);
}

/** All arguments as texts; a list counts as its elements. */
function texts(call: Call): readonly string[] {
  return call.args.flatMap((arg, at) =>
    arg.is === 'value' && Array.isArray(arg.value) ? arg.value.map((one) => textOf(one) ?? '') : [text(call, at)],
  );
}
