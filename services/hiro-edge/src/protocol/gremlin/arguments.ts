/** Converts the arguments of a step's call to the types that the step expects. */
import type { Json } from '@polyedge/query/json';
import { textOf } from '@polyedge/query/text';
import type { Argument, StepCall } from './parser.ts';
import { TraversalError } from './values.ts';

export function refuse(call: StepCall, what: string): never {
  throw new TraversalError(`gremlin: ${what} at position ${call.at}`);
}

export const isLocal = (call: StepCall): boolean => call.args.some((arg) => arg.is === 'token' && arg.name === 'local');

export function plain(call: StepCall, at: number): Json {
  const arg = call.args[at];
  return arg?.is === 'value' ? arg.value : refuse(call, `${JSON.stringify(call.name)} takes a plain value`);
}

export function text(call: StepCall, at: number): string {
  const value = plain(call, at);
  const written = typeof value === 'boolean' ? undefined : textOf(value);
  return written ?? refuse(call, `${JSON.stringify(call.name)} takes a text`);
}

/** All arguments as texts; a list counts as its elements. */
export function texts(call: StepCall): readonly string[] {
  return call.args.flatMap((arg, at) =>
    arg.is === 'value' && Array.isArray(arg.value) ? arg.value.map((one) => textOf(one) ?? '') : [text(call, at)],
  );
}

/** A whole number, at least 0. */
export function whole(call: StepCall, at: number): number {
  const value = plain(call, at);
  return typeof value === 'number' && Number.isInteger(value) && value >= 0
    ? value
    : refuse(call, `${JSON.stringify(call.name)} takes a whole number`);
}

/** Converts Gremlin 2's `T.gt, 5` to the equivalent predicate. */
export function joined(args: readonly Argument[]): readonly Argument[] {
  const at = args.findIndex(({ is }) => is === 'comparator');
  const [comparator, value] = args.slice(at);
  if (at < 0 || comparator?.is !== 'comparator' || value?.is !== 'value') return args;
  const values = Array.isArray(value.value) ? (value.value as readonly Json[]) : [value.value];
  return [...args.slice(0, at), { is: 'predicate', name: comparator.name, values }, ...args.slice(at + 2)];
}
