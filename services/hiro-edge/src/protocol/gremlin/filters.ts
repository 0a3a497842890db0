/** Steps that filter traversers. */
import { textOf } from '@polyedge/query/text';
import { isLocal, joined, plain, refuse, text, whole } from './arguments.ts';
import type { Argument, StepCall } from './parser.ts';
import { idOrLabel, labelled, move, perOrigin, perTraverser, type TraversalStep } from './run.ts';
import { attributeOf, fulfils, nameOf, type Value } from './values.ts';

/** See `RUN_LIMITS.values`. */
const COMPARISONS_PER_VALUE = 16;

export const keep = (test: (value: Value) => boolean, cost = 0): TraversalStep =>
  perTraverser(
    (at) => (test(at.value) ? [at] : []),
    () => cost,
  );

/** The cost of comparing one traverser with these arguments: a comparison is much cheaper than a stored value. */
export const comparisons = (wanted: readonly Argument[]): number =>
  Math.floor(wanted.reduce((total, one) => total + valuesIn(one), 0) / COMPARISONS_PER_VALUE);
const valuesIn = (one: Argument): number =>
  one.is === 'predicate' ? one.values.length : one.is === 'value' && Array.isArray(one.value) ? one.value.length : 1;

export const matchesAny = (value: Value | undefined, wanted: readonly Argument[]): boolean =>
  value !== undefined && wanted.some((one) => fulfils(value, one));

export function has(call: StepCall): TraversalStep {
  const args = joined(call.args);
  const [first, second, third, ...more] = args;
  if (first === undefined || more.length > 0) return refuse(call, '"has" takes one to three arguments');
  if ([second, third].some((arg) => arg?.is === 'traversal' || arg?.is === 'token' || arg?.is === 'comparator'))
    return refuse(call, '"has" compares with values or predicates');
  if (first.is === 'token' && second !== undefined && (first.name === 'id' || first.name === 'label')) {
    const which = first.name;
    return keep((value) => matchesAny(idOrLabel(value, which), [second]), comparisons([second]));
  }
  if (third !== undefined) {
    return keep(
      (value) => matchesAny(idOrLabel(value, 'label'), [first]) && attributeOf(value, text(call, 1)).some((one) => fulfils(one, third)),
      comparisons(args),
    );
  }
  const name = text(call, 0);
  return keep((value) => attributeOf(value, name).some((one) => second === undefined || fulfils(one, second)), comparisons(args));
}

/** `hasNot('a')`: no attribute of this name; with a value or a comparison, as in Gremlin 2: none that matches. */
export function hasNot(call: StepCall): TraversalStep {
  const [name, wanted] = [text(call, 0), joined(call.args)[1]];
  if (wanted !== undefined && wanted.is !== 'value' && wanted.is !== 'predicate')
    return refuse(call, '"hasNot" compares with values or predicates');
  return keep(
    (value) => !attributeOf(value, name).some((one) => wanted === undefined || fulfils(one, wanted)),
    wanted === undefined ? 0 : comparisons([wanted]),
  );
}

/** `where(neq('a'))` and `where('a', neq('b'))`: compares the elements on the path by their labels. */
export function whereLabel(call: StepCall): TraversalStep {
  const predicate = call.args.at(-1);
  const from = call.args.length === 2 ? text(call, 0) : undefined;
  if (predicate?.is !== 'predicate' || !['eq', 'neq', 'within', 'without'].includes(predicate.name)) {
    return refuse(call, `${JSON.stringify(call.name)} takes a traversal, or eq, neq, within or without of labels`);
  }
  const equal = predicate.name === 'eq' || predicate.name === 'within';
  const labels = predicate.values.map((label) => textOf(label) ?? '');
  return function* (inputs, _origins, context) {
    const collected = new Set(labels.flatMap((label) => context.collected(label) ?? []).map(nameOf));
    const known = labels.some((label) => context.collected(label) !== undefined);
    return inputs.filter((at) => {
      context.charge(labels.length);
      const here = from === undefined ? at : labelled(at, from);
      const others = labels.flatMap((label) => labelled(at, label) ?? []);
      if (here === undefined || (others.length === 0 && !known)) return false;
      const name = nameOf(here.value);
      return (collected.has(name) || others.some(({ value }) => nameOf(value) === name)) === equal;
    });
  };
}

export function slice(call: StepCall): TraversalStep {
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

// Chance

/** A number from 0 to 1, derived from the value's name: a run is deterministic, so repeating it gives the same choice. */
function chanceOf(value: Value): number {
  let hash = 0x811c9dc5;
  for (const character of nameOf(value)) hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193);
  // FNV-1a's high bits are the good ones, but short names hardly change them.
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return ((hash ^ (hash >>> 12)) >>> 0) / 2 ** 32;
}

export function coin(call: StepCall): TraversalStep {
  const chance = plain(call, 0);
  if (typeof chance !== 'number' || chance < 0 || chance > 1) return refuse(call, '"coin" takes a number from 0 to 1');
  return keep((value) => chanceOf(value) < chance, 1);
}

/** A sample of each origin's traversers; without a number, all of them in another order. */
export function sample(call: StepCall): TraversalStep {
  const count = call.name === 'shuffle' ? undefined : whole(call, 0);
  return perOrigin((traversers) => {
    const places = traversers.map((at, place) => ({ at, place, chance: chanceOf(at.value) }));
    places.sort((left, right) => left.chance - right.chance || left.place - right.place);
    return places.slice(0, count).map(({ at }) => at);
  });
}
