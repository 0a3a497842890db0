/** Price formulas: `#seats * 4.5 + 10`, `#vip ? #x : 0`. Evaluated once, when a pricing is parsed. */
import { readExpression } from '../evaluation/read.ts';
import { run } from '../evaluation/run.ts';

/** The most characters of a formula. */
const MAX_CHARACTERS = 1000;

export type Variables = Readonly<Record<string, number | string | boolean>>;

export type FormulaResult = { readonly ok: true; readonly value: number } | { readonly ok: false; readonly problem: string };

/** Whether a text price is a formula. */
export const isFormula = (text: string): boolean => text.includes('#');

/** The value of a formula with the variables of its pricing. Never throws. */
export function evaluateFormula(text: string, variables: Variables): FormulaResult {
  if (text.length > MAX_CHARACTERS) return { ok: false, problem: `is longer than ${MAX_CHARACTERS} characters` };
  const read = readExpression(text, { variables: Object.keys(variables), contexts: false });
  if (!read.ok) return read;
  const result = run(read.tree, { variables: new Map(Object.entries(variables)) });
  if (!result.ok) return result;
  if (typeof result.value !== 'number') return { ok: false, problem: 'has a value that is not a number' };
  return Number.isFinite(result.value) ? { ok: true, value: result.value } : { ok: false, problem: 'has no finite value' };
}
