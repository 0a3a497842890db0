import { ParseError } from './parsed.ts';

const SPACE = /[ \t\r\n]*/y;

/** Checks a text from a client before it is parsed. `what` names it in the problem ("the query is longer than …"). */
export function checkText(text: string, maxBytes: number, what: string): void {
  // The first comparison bounds the cost of counting the bytes.
  if (text.length > maxBytes || Buffer.byteLength(text) > maxBytes) throw new ParseError(`the ${what} is longer than ${maxBytes} bytes`);
  if (!text.isWellFormed() || text.includes('\0')) throw new ParseError(`the ${what} contains NUL or an unpaired surrogate`);
}

/**
 * The base of a recursive-descent parser: a position in a text, and the steps that advance it. Problems are thrown as `ParseError`, with
 * the language and the position, counted from 0 in UTF-16 units.
 */
export class Scanner {
  protected readonly text: string;
  protected at = 0;
  readonly #language: string;
  readonly #space: RegExp;
  #depth = 0;

  /** @param space a sticky pattern for what may stand between tokens; it matches the empty text */
  constructor(language: string, text: string, space = SPACE) {
    this.#language = language;
    this.text = text;
    this.#space = space;
  }

  /** The next character; empty at the end. */
  protected get next(): string {
    return this.text.charAt(this.at);
  }

  protected get atEnd(): boolean {
    return this.at >= this.text.length;
  }

  protected skipSpace(): void {
    this.match(this.#space);
  }

  /** Consumes and returns what a sticky pattern matches here; undefined if it does not match. */
  protected match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text)?.[0];
    if (found !== undefined) this.at += found.length;
    return found;
  }

  /** Consumes the character if it is the next one. */
  protected skip(character: string): boolean {
    if (this.next !== character) return false;
    this.at += 1;
    return true;
  }

  protected expect(character: string): void {
    if (!this.skip(character)) this.fail(`expected "${character}"`);
  }

  /** Parses one level deeper; fails beyond `levels`, so that recursion is bounded. `what` is the plural of what is nested. */
  protected nested<T>(levels: number, what: string, parse: () => T): T {
    this.#depth += 1;
    if (this.#depth > levels) this.fail(`${what} are nested more than ${levels} deep`);
    const value = parse();
    this.#depth -= 1;
    return value;
  }

  /** @param at moves back to where the problem begins */
  protected fail(problem: string, at = this.at): never {
    this.at = at;
    throw new ParseError(`${this.#language}: ${problem} at position ${at}`);
  }
}
