/**
 * Regular expressions from outside, in the syntax of JavaScript, run by RE2: matching takes time proportional to the pattern times the
 * text. Back-references and look-arounds, which such an engine cannot have, are rejected; `\s` and `\w` cover ASCII only.
 */
import { RE2JS } from 're2js';

const MAX_CHARACTERS = 1_000;

export interface Pattern {
  /** Steps per character of the text, at most. */
  readonly size: number;
  /** Whether the pattern matches anywhere in the text. */
  find(text: string): boolean;
}

/** Undefined for a pattern that is invalid, not supported or larger than `maxSize`. */
export function compilePattern(source: string, maxSize: number): Pattern | undefined {
  if (source.length > MAX_CHARACTERS) return undefined;
  // Checked before compiling, because nested repetitions take long to compile.
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

/** Estimates the number of instructions; undefined for a pattern with back-references. Other syntax errors are left to RE2. */
function sizeOf(source: string): number | undefined {
  /** The open groups, outermost first: the size of each so far, and that of its last part, which may still be repeated. */
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
