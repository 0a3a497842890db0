/**
 * Regular expressions that come from outside, in the syntax of JavaScript, run by RE2: the time grows with the pattern times the text, whatever
 * the pattern. Back references and look-arounds, which no such engine has, are refused; `\s` and `\w` know ASCII only.
 */
import { RE2JS } from 're2js';

const MAX_CHARACTERS = 1_000;

export interface Pattern {
  /** Steps that a character of the text may cost. */
  readonly size: number;
  /** Whether it is found anywhere in the text. */
  find(text: string): boolean;
}

/** Undefined for a pattern that is invalid, not supported or larger than `maxSize`. */
export function compilePattern(source: string, maxSize: number): Pattern | undefined {
  if (source.length > MAX_CHARACTERS) return undefined;
  // Before it is compiled, because a repetition of a repetition takes long to compile.
  const estimate = sizeOf(source);
  if (estimate === undefined || estimate > maxSize) return undefined;
  let compiled: RE2JS;
  try {
    compiled = RE2JS.compile(RE2JS.translateRegExp(source));
  } catch {
    return undefined;
  }
  const size = Math.max(estimate, compiled.programSize());
  return size > maxSize ? undefined : { size, find: (text) => compiled.test(text) };
}

/** About how many instructions a pattern becomes; undefined when it refers back. What is no pattern at all, RE2 will say. */
function sizeOf(source: string): number | undefined {
  /** The parts of the groups that are open, outermost first: what they have so far, and their last part, which may be repeated. */
  const open = [{ before: 0, last: 0 }];
  let group = { before: 0, last: 0 };
  const add = (size: number): void => {
    group.before += group.last;
    group.last = size;
  };
  const parts = /\\(.?)|\[(?:\\.|[^\]\\])*\]?|\{(\d+)(?:,(\d*))?\}|[\s\S]/gu;
  for (const [part, escaped, least, most] of source.matchAll(parts)) {
    if (escaped !== undefined && /[1-9k]/.test(escaped)) return undefined;
    if (part === '(') {
      open.push(group);
      group = { before: 2, last: 0 };
    } else if (part === ')') {
      const { before, last } = group;
      group = open.pop() ?? group;
      add(before + last);
    } else if (least !== undefined) group.last *= Math.max(1, Number(least), Number(most ?? 0));
    else add(1);
  }
  return [...open, group].reduce((sum, { before, last }) => sum + before + last, 0);
}
