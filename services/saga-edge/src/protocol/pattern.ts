/**
 * Regular expressions of `search` parameters, evaluated without backtracking: time grows with pattern times text, whatever the pattern
 * (Saga protocol page, 6.1: a guard against catastrophic patterns). Supported: literals, `.`, classes, `\d \w \s` and their opposites,
 * groups, `|`, `* + ? {n,m}` (also lazy: the same language), `^` and `$`. Back references and look-arounds are refused.
 */

import type { Filter } from '@polyedge/query/filter';
import { type attribute, equal } from './elements.ts';

const MAX_CHARACTERS = 200;
const MAX_STATES = 4000;
const MAX_REPEAT = 100;
const MAX_DEPTH = 50;

type Test = (character: string) => boolean;

type Node =
  | { readonly is: 'one'; readonly test: Test }
  | { readonly is: 'start' | 'end' | 'nothing' }
  | { readonly is: 'all' | 'any'; readonly parts: readonly Node[] }
  | { readonly is: 'repeat'; readonly part: Node; readonly from: number; readonly to: number };

class Unsupported extends Error {}

/** The filter that stands for `^name$` and `^name` with nothing special in them: what the Unity client asks, and quick. */
export function plainFilter(pattern: string, path: ReturnType<typeof attribute>): Filter | undefined {
  const found = /^\^((?:[A-Za-z0-9_@ -]|\\[.^$*+?()[\]{}|\\/-])*)(\$?)$/.exec(pattern);
  if (found === null) return undefined;
  const text = (found[1] ?? '').replace(/\\(.)/g, '$1');
  return found[2] === '$' ? equal(path, text) : { test: 'starts-with', path, value: text };
}

/** A test whether the pattern is found anywhere in a text, or undefined for a pattern that is not supported. */
export function compilePattern(pattern: string): ((text: string) => boolean) | undefined {
  if (pattern.length > MAX_CHARACTERS) return undefined;
  try {
    const program = new Program();
    const start = program.add(new Parser(pattern).parse(), program.accept);
    return (text) => program.run(start, text);
  } catch (error) {
    if (error instanceof Unsupported) return undefined;
    throw error;
  }
}

class Parser {
  readonly #characters: readonly string[];
  #at = 0;
  #depth = 0;

  constructor(pattern: string) {
    this.#characters = [...pattern];
  }

  parse(): Node {
    const node = this.#any();
    if (this.#at < this.#characters.length) throw new Unsupported();
    return node;
  }

  #peek(): string | undefined {
    return this.#characters[this.#at];
  }

  #take(): string {
    const character = this.#characters[this.#at];
    if (character === undefined) throw new Unsupported();
    this.#at += 1;
    return character;
  }

  #any(): Node {
    this.#depth += 1;
    if (this.#depth > MAX_DEPTH) throw new Unsupported();
    const parts = [this.#all()];
    while (this.#peek() === '|') {
      this.#at += 1;
      parts.push(this.#all());
    }
    this.#depth -= 1;
    return { is: 'any', parts };
  }

  #all(): Node {
    const parts: Node[] = [];
    for (let next = this.#peek(); next !== undefined && next !== '|' && next !== ')'; next = this.#peek()) parts.push(this.#repeated());
    return { is: 'all', parts };
  }

  #repeated(): Node {
    let node = this.#atom();
    for (;;) {
      const range = this.#range();
      if (range === undefined) return node;
      if (node.is === 'start' || node.is === 'end') throw new Unsupported();
      node = { is: 'repeat', part: node, ...range };
      if (this.#peek() === '?') this.#at += 1;
    }
  }

  #range(): { readonly from: number; readonly to: number } | undefined {
    const [mark, ...rest] = this.#characters.slice(this.#at, this.#at + 10);
    if (mark === '*' || mark === '+' || mark === '?') {
      this.#at += 1;
      return { from: mark === '+' ? 1 : 0, to: mark === '?' ? 1 : Number.POSITIVE_INFINITY };
    }
    if (mark !== '{') return undefined;
    const found = /^(\d{1,3})(,(\d{0,3}))?\}/.exec(rest.join(''));
    if (found === null) throw new Unsupported();
    this.#at += found[0].length + 1;
    const from = Number(found[1]);
    const to = found[2] === undefined ? from : found[3] === '' ? Number.POSITIVE_INFINITY : Number(found[3]);
    if (from > MAX_REPEAT || to < from || (Number.isFinite(to) && to > MAX_REPEAT)) throw new Unsupported();
    return { from, to };
  }

  #atom(): Node {
    const character = this.#take();
    switch (character) {
      case '^':
        return { is: 'start' };
      case '$':
        return { is: 'end' };
      case '.':
        return { is: 'one', test: (one) => one !== '\n' };
      case '[':
        return { is: 'one', test: this.#class() };
      case '\\':
        return { is: 'one', test: this.#escape() };
      case '(': {
        if (this.#peek() === '?') {
          this.#at += 1;
          if (this.#take() !== ':') throw new Unsupported();
        }
        const inner = this.#any();
        if (this.#take() !== ')') throw new Unsupported();
        return inner;
      }
      case '*':
      case '+':
      case '?':
      case '{':
      case ')':
        throw new Unsupported();
      default:
        return { is: 'one', test: (one) => one === character };
    }
  }

  #escape(): Test {
    const character = this.#take();
    const known = CLASSES[character];
    if (known !== undefined) return known;
    if (/[A-Za-z0-9]/.test(character)) throw new Unsupported();
    return (one) => one === character;
  }

  #class(): Test {
    const negated = this.#peek() === '^';
    if (negated) this.#at += 1;
    const tests: Test[] = [];
    for (let character = this.#take(); character !== ']'; character = this.#take()) {
      if (character === '\\') {
        tests.push(this.#escape());
        continue;
      }
      const to = this.#characters[this.#at + 1];
      if (this.#peek() === '-' && to !== undefined && to !== ']') {
        this.#at += 2;
        if (to === '\\' || to < character) throw new Unsupported();
        tests.push((one) => one >= character && one <= to);
      } else {
        tests.push((one) => one === character);
      }
    }
    return (one) => tests.some((test) => test(one)) !== negated;
  }
}

const CLASSES: Readonly<Record<string, Test>> = {
  d: (one) => /^\d$/.test(one),
  D: (one) => !/^\d$/.test(one),
  w: (one) => /^\w$/.test(one),
  W: (one) => !/^\w$/.test(one),
  s: (one) => /^\s$/.test(one),
  S: (one) => !/^\s$/.test(one),
};

type State =
  | { readonly is: 'one'; readonly test: Test; readonly then: number }
  | { readonly is: 'start' | 'end'; readonly then: number }
  | { readonly is: 'split'; to: number[] }
  | { readonly is: 'accept' };

/** A nondeterministic automaton, all of whose states are followed at once. */
class Program {
  readonly #states: State[] = [{ is: 'accept' }];
  readonly accept = 0;

  /** Adds a node that goes on at `then`; returns where it begins. */
  add(node: Node, then: number): number {
    switch (node.is) {
      case 'one':
        return this.#push({ is: 'one', test: node.test, then });
      case 'start':
      case 'end':
        return this.#push({ is: node.is, then });
      case 'nothing':
        return then;
      case 'all':
        return node.parts.reduceRight((next, part) => this.add(part, next), then);
      case 'any':
        return this.#push({ is: 'split', to: node.parts.map((part) => this.add(part, then)) });
      case 'repeat': {
        let next = then;
        if (node.to === Number.POSITIVE_INFINITY) {
          const loop: State = { is: 'split', to: [then] };
          next = this.#push(loop);
          loop.to.push(this.add(node.part, next));
        } else {
          for (let at = node.from; at < node.to; at += 1) next = this.#push({ is: 'split', to: [this.add(node.part, next), then] });
        }
        for (let at = 0; at < node.from; at += 1) next = this.add(node.part, next);
        return next;
      }
    }
  }

  run(start: number, text: string): boolean {
    const characters = [...text];
    let now = new Set<number>();
    for (let at = 0; ; at += 1) {
      // A match may begin anywhere.
      if (this.#follow(start, at, characters.length, now)) return true;
      const character = characters[at];
      if (character === undefined) return false;
      const next = new Set<number>();
      for (const index of now) {
        const state = this.#states[index];
        if (state?.is === 'one' && state.test(character) && this.#follow(state.then, at + 1, characters.length, next)) return true;
      }
      now = next;
    }
  }

  /** Follows everything that takes no character; true when the end is reached. */
  #follow(from: number, at: number, length: number, into: Set<number>): boolean {
    const open = [from];
    for (let index = open.pop(); index !== undefined; index = open.pop()) {
      if (into.has(index)) continue;
      into.add(index);
      const state = this.#states[index];
      if (state === undefined || state.is === 'one') continue;
      if (state.is === 'accept') return true;
      if (state.is === 'split') open.push(...state.to);
      else if (state.is === 'start' ? at === 0 : at === length) open.push(state.then);
    }
    return false;
  }

  #push(state: State): number {
    if (this.#states.length >= MAX_STATES) throw new Unsupported();
    this.#states.push(state);
    return this.#states.length - 1;
  }
}
