/**
 * JSON as source text: validates a text completely and finds the bounds of its parts, so that values are passed on exactly as written.
 * `JSON.parse` and `JSON.stringify` would turn `1.0` into `1`, `9007199254740993` into `9007199254740992` and move integer-like keys.
 *
 * Accepts what the original's parser accepts (orjson 3.9.10, verified): RFC 8259, numbers within a double, at most 1,024 levels. In addition it accepts
 * escapes of unpaired surrogates, which RFC 8259 allows (section 8.2).
 */
export type JsonKind = 'object' | 'array' | 'string' | 'number' | 'true' | 'false' | 'null';

/** One value: its source without the white space around it. */
export interface JsonSource {
  readonly kind: JsonKind;
  readonly text: string;
}

/** One member of an object; `text` is the source of the whole member. */
export interface JsonMember {
  readonly key: string;
  readonly value: JsonSource;
  readonly text: string;
}

const MAX_DEPTH = 1024;
/** More members than any event has; an object with more is rejected where its members are read. */
const MAX_MEMBERS = 4096;

/** The members of a text that is one object, in order, repeated keys included. Undefined if the text is not a JSON object. */
export function readObject(text: string): readonly JsonMember[] | undefined {
  const scanner = new JsonScanner(text);
  scanner.space();
  const members = scanner.members();
  if (members === undefined) return undefined;
  scanner.space();
  return scanner.at === text.length ? members : undefined;
}

/** The value of a source of kind `string`. */
export function stringOf(source: JsonSource): string {
  // Without escapes the value is the source itself.
  return source.text.includes('\\') ? String(JSON.parse(source.text)) : source.text.slice(1, -1);
}

/** Whether the value is false in Python, which is how the original chooses defaults. */
export function isFalsy(source: JsonSource): boolean {
  switch (source.kind) {
    case 'null':
    case 'false':
      return true;
    case 'true':
      return false;
    case 'string':
      return source.text.length === 2;
    case 'number':
      return Number(source.text) === 0;
    case 'array':
    case 'object':
      return source.text.length === 2 || source.text.slice(1, -1).trim() === '';
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;

class JsonScanner {
  readonly #text: string;
  at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  space(): void {
    for (;;) {
      const code = this.#text.charCodeAt(this.at);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
      this.at += 1;
    }
  }

  /** Parses the object that begins here and returns its members. */
  members(): readonly JsonMember[] | undefined {
    const members: JsonMember[] = [];
    const ok = this.#each(0x7b, 0x7d, () => {
      if (members.length >= MAX_MEMBERS) return false;
      const from = this.at;
      const key = this.#key();
      if (key === undefined) return false;
      const start = this.at;
      const kind = this.value(1);
      if (kind === undefined) return false;
      members.push({ key, value: { kind, text: this.#text.slice(start, this.at) }, text: this.#text.slice(from, this.at) });
      return true;
    });
    return ok ? members : undefined;
  }

  /** Skips the value that begins here; undefined if there is none. */
  value(depth: number): JsonKind | undefined {
    switch (this.#text.charCodeAt(this.at)) {
      case 0x7b:
        return depth < MAX_DEPTH && this.#each(0x7b, 0x7d, () => this.#key() !== undefined && this.value(depth + 1) !== undefined)
          ? 'object'
          : undefined;
      case 0x5b:
        return depth < MAX_DEPTH && this.#each(0x5b, 0x5d, () => this.value(depth + 1) !== undefined) ? 'array' : undefined;
      case QUOTE:
        return this.#string() ? 'string' : undefined;
      case 0x74:
        return this.#word('true');
      case 0x66:
        return this.#word('false');
      case 0x6e:
        return this.#word('null');
      default:
        return this.#number() ? 'number' : undefined;
    }
  }

  /** Skips a list between two brackets, calling `item` at each of its items. */
  #each(open: number, close: number, item: () => boolean): boolean {
    if (this.#text.charCodeAt(this.at) !== open) return false;
    this.at += 1;
    this.space();
    if (this.#text.charCodeAt(this.at) === close) {
      this.at += 1;
      return true;
    }
    for (;;) {
      if (!item()) return false;
      this.space();
      const next = this.#text.charCodeAt(this.at);
      this.at += 1;
      if (next === close) return true;
      if (next !== 0x2c) return false;
      this.space();
    }
  }

  /** Skips a key and its colon. */
  #key(): string | undefined {
    const from = this.at;
    if (this.#text.charCodeAt(from) !== QUOTE || !this.#string()) return undefined;
    const key = stringOf({ kind: 'string', text: this.#text.slice(from, this.at) });
    this.space();
    if (this.#text.charCodeAt(this.at) !== 0x3a) return undefined;
    this.at += 1;
    this.space();
    return key;
  }

  #word<Word extends 'true' | 'false' | 'null'>(word: Word): Word | undefined {
    if (!this.#text.startsWith(word, this.at)) return undefined;
    this.at += word.length;
    return word;
  }

  #number(): boolean {
    NUMBER.lastIndex = this.at;
    const found = NUMBER.exec(this.#text);
    if (found === null || !Number.isFinite(Number(found[0]))) return false;
    this.at += found[0].length;
    return true;
  }

  #string(): boolean {
    const text = this.#text;
    let at = this.at + 1;
    for (;;) {
      const code = text.charCodeAt(at);
      if (code === QUOTE) {
        this.at = at + 1;
        return true;
      }
      if (code === BACKSLASH) {
        const length = escapeLength(text, at);
        if (length === 0) return false;
        at += length;
      } else if (code >= 0x20) at += 1;
      // A control character, or the end of the text (NaN).
      else return false;
    }
  }
}

/** The length of the escape at `at`; 0 if there is none. */
function escapeLength(text: string, at: number): number {
  const letter = text[at + 1];
  if (letter !== 'u') return letter !== undefined && '"\\/bfnrt'.includes(letter) ? 2 : 0;
  return /^[0-9a-fA-F]{4}$/.test(text.slice(at + 2, at + 6)) ? 6 : 0;
}
