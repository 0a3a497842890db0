/**
 * The conditions under which an expression keeps its value, as bounds on each usage level that it reads. An evaluation that consumes is
 * decided on levels that were read before; the store then checks the bounds when it writes. `used < 5` with 2 used holds for everything
 * below 5, so concurrent evaluations do not conflict.
 */
import { partsOf } from './pricing.ts';
import { run, type Variables } from './run.ts';
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

/** At most one guard per limit. While all hold, the expression keeps its current value. */
export function guardsOf(tree: Tree, environment: Variables): readonly Guard[] {
  const found = new Map<string, Guard>();
  for (const guard of guards(tree, environment)) {
    const before = found.get(guard.limit);
    found.set(guard.limit, before === undefined ? guard : (tighter(before, guard) ?? exactly(guard.limit, environment)));
  }
  return [...found.values()];
}

function guards(tree: Tree, environment: Variables): readonly Guard[] {
  const levels = levelsIn(tree);
  if (levels.length === 0) return [];
  switch (tree.op) {
    case 'and':
      // The first false part decides alone.
      return guardsOfParts(tree.parts, environment, (value) => !value);
    case 'or':
      return guardsOfParts(tree.parts, environment, (value) => Boolean(value));
    case 'binary':
      return comparison(tree, environment) ?? levels.map((limit) => exactly(limit, environment));
    default:
      return levels.map((limit) => exactly(limit, environment));
  }
}

function guardsOfParts(parts: readonly Tree[], environment: Variables, decides: (value: Value) => boolean): readonly Guard[] {
  const all: Guard[] = [];
  for (const part of parts) {
    const own = guards(part, environment);
    const value = valueNow(part, environment);
    if (decides(value)) return own;
    all.push(...own);
  }
  return all;
}

/** If `used < bound` holds, the level may be anything on this side of the bound. Otherwise the level must stay exactly the same. */
function comparison({ sign, left, right }: Extract<Tree, { op: 'binary' }>, environment: Variables): readonly Guard[] | undefined {
  const turned = right.op === 'name' && right.context === 'used';
  const [level, other] = turned ? [right, left] : [left, right];
  const seen = turned ? TURNED[sign] : sign;
  const test = seen === undefined ? undefined : TESTS[seen];
  if (test === undefined || level.op !== 'name' || level.context !== 'used' || levelsIn(other).length > 0) return undefined;
  const bound = valueNow(other, environment);
  const holds = valueNow({ op: 'binary', sign, left, right }, environment) === true;
  return holds && typeof bound === 'number' && Number.isFinite(bound) ? [{ limit: level.name, test, value: bound }] : undefined;
}

/** Of two bounds in the same direction, the one that implies the other. */
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

function exactly(limit: string, { contexts }: Variables): Guard {
  const level = contexts?.used.get(limit);
  return { limit, test: 'equal', value: typeof level === 'number' ? level : 0 };
}

const levelsIn = (tree: Tree): readonly string[] => [
  ...new Set(partsOf(tree).flatMap((part) => (part.op === 'name' && part.context === 'used' ? [part.name] : []))),
];

function valueNow(tree: Tree, environment: Variables): Value {
  const result = run(tree, environment);
  return result.ok ? result.value : undefined;
}
