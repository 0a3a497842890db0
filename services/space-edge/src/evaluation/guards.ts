/**
 * What must stay as it is for an expression to keep its value, told as a bound on each level that it looked at. An evaluation that consumes
 * is decided on levels that were read before; the store then checks the bounds at the moment of writing. `used < 5` with 2 used holds for
 * everything below 5, so evaluations at the same time do not disturb each other.
 */
import { partsOf } from './pricing.ts';
import { run, type Surroundings } from './run.ts';
import type { Binary, Tree, Value } from './tree.ts';

export interface Guard {
  readonly limit: string;
  readonly test: 'equal' | 'less' | 'at-most' | 'more' | 'at-least';
  readonly value: number;
}

const TESTS: Readonly<Partial<Record<Binary, Guard['test']>>> = {
  '<': 'less',
  '<=': 'at-most',
  '>': 'more',
  '>=': 'at-least',
  '==': 'equal',
  '===': 'equal',
};
const TURNED: Readonly<Partial<Record<Binary, Binary>>> = { '<': '>', '<=': '>=', '>': '<', '>=': '<=', '==': '==', '===': '===' };

/** At most one guard for each limit. While all hold, the expression has the value that it has now. */
export function guardsOf(tree: Tree, around: Surroundings): readonly Guard[] {
  const found = new Map<string, Guard>();
  for (const guard of guards(tree, around)) {
    const before = found.get(guard.limit);
    found.set(guard.limit, before === undefined ? guard : (tighter(before, guard) ?? exactly(guard.limit, around)));
  }
  return [...found.values()];
}

function guards(tree: Tree, around: Surroundings): readonly Guard[] {
  const levels = levelsIn(tree);
  if (levels.length === 0) return [];
  switch (tree.op) {
    case 'and':
      // The first part that is not true decides alone.
      return guardsOfParts(tree.parts, around, (value) => !value);
    case 'or':
      return guardsOfParts(tree.parts, around, (value) => Boolean(value));
    case 'binary':
      return comparison(tree, around) ?? levels.map((limit) => exactly(limit, around));
    default:
      return levels.map((limit) => exactly(limit, around));
  }
}

function guardsOfParts(parts: readonly Tree[], around: Surroundings, decides: (value: Value) => boolean): readonly Guard[] {
  const all: Guard[] = [];
  for (const part of parts) {
    const own = guards(part, around);
    const value = valueNow(part, around);
    if (decides(value)) return own;
    all.push(...own);
  }
  return all;
}

/** `used < bound` that holds: the level may be anything on this side of the bound. What does not hold keeps its exact level. */
function comparison({ sign, left, right }: Extract<Tree, { op: 'binary' }>, around: Surroundings): readonly Guard[] | undefined {
  const turned = right.op === 'name' && right.context === 'used';
  const [level, other] = turned ? [right, left] : [left, right];
  const seen = turned ? TURNED[sign] : sign;
  const test = seen === undefined ? undefined : TESTS[seen];
  if (test === undefined || level.op !== 'name' || level.context !== 'used' || levelsIn(other).length > 0) return undefined;
  const bound = valueNow(other, around);
  const holds = valueNow({ op: 'binary', sign, left, right }, around) === true;
  return holds && typeof bound === 'number' && Number.isFinite(bound) ? [{ limit: level.name, test, value: bound }] : undefined;
}

/** Of two bounds in the same direction the one that implies the other. */
function tighter(one: Guard, other: Guard): Guard | undefined {
  if (one.test !== other.test) return undefined;
  switch (one.test) {
    case 'less':
    case 'at-most':
      return one.value <= other.value ? one : other;
    case 'more':
    case 'at-least':
      return one.value >= other.value ? one : other;
    case 'equal':
      return one.value === other.value ? one : undefined;
  }
}

function exactly(limit: string, { contexts }: Surroundings): Guard {
  const level = contexts?.used.get(limit);
  return { limit, test: 'equal', value: typeof level === 'number' ? level : 0 };
}

const levelsIn = (tree: Tree): readonly string[] => [
  ...new Set(partsOf(tree).flatMap((part) => (part.op === 'name' && part.context === 'used' ? [part.name] : []))),
];

function valueNow(tree: Tree, around: Surroundings): Value {
  const result = run(tree, around);
  return result.ok ? result.value : undefined;
}
