/**
 * YAML text as values with their positions. It is bounded before it is parsed: bytes, levels, aliases, and nodes with all aliases expanded,
 * so a small text cannot grow into a large value. Nothing is evaluated; tags outside YAML's core types are rejected.
 */
import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  type Node,
  parseDocument,
  type Scalar,
  type YAMLMap,
} from 'yaml';

/** The limits of a pricing file. */
export interface SourceLimits {
  /** UTF-8 bytes of the text. */
  readonly maxBytes: number;
  /** Tokens of YAML's lexer. The later stages take up to a few microseconds for each, in one synchronous call. */
  readonly maxTokens: number;
  /** Levels of maps and lists. */
  readonly maxDepth: number;
  /** Values, counting the target of an alias each time it is used. */
  readonly maxNodes: number;
  readonly maxAliases: number;
}

export const SOURCE_LIMITS: SourceLimits = { maxBytes: 1024 * 1024, maxTokens: 100_000, maxDepth: 16, maxNodes: 20_000, maxAliases: 100 };

/** A problem and its position. Lines and columns count from 1; `path` is for example `plans.BASIC.price`, or empty for the whole text. */
export interface PricingProblem {
  readonly line: number;
  readonly column: number;
  readonly path: string;
  readonly message: string;
}

/** One sentence for a client's developer. */
export function problemText({ line, column, path, message }: PricingProblem): string {
  return `line ${line}, column ${column}${path === '' ? '' : `, ${path}`}: ${message}`;
}

/** The most problems reported for one text. */
const MAX_PROBLEMS = 20;

export type NodeKind = 'absent' | 'null' | 'map' | 'list' | 'text' | 'number' | 'boolean' | 'date';

/** A parsed text and its problems. */
export class Source {
  readonly problems: PricingProblem[] = [];
  readonly #lines: LineCounter;
  readonly #document: Document.Parsed | undefined;

  private constructor(document: Document.Parsed | undefined, lines: LineCounter) {
    this.#document = document;
    this.#lines = lines;
  }

  /** Never throws. If there are `problems`, the values must not be used. */
  static read(text: string, limits: SourceLimits = SOURCE_LIMITS): Source {
    const lines = new LineCounter();
    if (Buffer.byteLength(text) > limits.maxBytes) return Source.#refused(`is longer than ${limits.maxBytes} bytes`);
    const excess = excessOf(text, limits);
    if (excess !== undefined) return Source.#refused(excess);
    let document: Document.Parsed;
    try {
      document = parseDocument(text, {
        schema: 'core',
        merge: false,
        stringKeys: true,
        // The library compares every pair of keys; `#measure` checks each key once instead.
        uniqueKeys: false,
        prettyErrors: false,
        lineCounter: lines,
        logLevel: 'silent',
      });
    } catch (error) {
      if (error instanceof RangeError) return Source.#refused(tooDeep(limits));
      throw error;
    }
    const source = new Source(document, lines);
    for (const { message, pos } of [...document.errors, ...document.warnings].slice(0, MAX_PROBLEMS)) {
      // The composer is recursive: a text of list items only overflows its stack.
      source.reportAt(pos[0], '', message.includes('call stack') ? tooDeep(limits) : firstSentence(message));
    }
    if (source.problems.length === 0) source.#measure(limits);
    return source;
  }

  static #refused(message: string): Source {
    const source = new Source(undefined, new LineCounter());
    source.problems.push({ line: 1, column: 1, path: '', message });
    return source;
  }

  get root(): LocatedValue {
    return new LocatedValue(this, this.#document?.contents ?? undefined, '', 0);
  }

  /** The target of an alias; any other node itself. */
  resolve(node: Node): Node | undefined {
    return isAlias(node) && this.#document !== undefined ? node.resolve(this.#document) : node;
  }

  /** Sets a key of a map of this document. */
  put(map: YAMLMap, key: string, value: unknown): void {
    const pair = this.#document?.createPair(key, value);
    if (pair !== undefined) map.add(pair, true);
  }

  reportAt(offset: number, path: string, message: string): void {
    if (this.problems.length >= MAX_PROBLEMS) return;
    const { line, col } = this.#lines.linePos(offset);
    this.problems.push({ line: Math.max(1, line), column: Math.max(1, col), path, message });
  }

  #measure(limits: SourceLimits): void {
    let nodes = 0;
    let aliases = 0;
    const visit = (node: Node | null | undefined, depth: number): boolean => {
      if (node === null || node === undefined) return true;
      const at = node.range?.[0] ?? 0;
      nodes += 1;
      if (nodes > limits.maxNodes) return this.#stop(at, `has more than ${limits.maxNodes} values, aliases followed`);
      if (depth > limits.maxDepth) return this.#stop(at, `has more than ${limits.maxDepth} levels`);
      if (isAlias(node)) {
        aliases += 1;
        if (aliases > limits.maxAliases) return this.#stop(at, `has more than ${limits.maxAliases} aliases`);
        const meant = this.resolve(node);
        return meant === undefined ? this.#stop(at, 'names an anchor that does not exist') : visit(meant, depth + 1);
      }
      if (isMap<Node, Node | null>(node)) {
        this.#refuseRepeated(node.items.map(({ key }) => key));
        return node.items.every(({ value }) => visit(value, depth + 1));
      }
      if (isSeq<Node>(node)) return node.items.every((item) => visit(item, depth + 1));
      return true;
    };
    visit(this.#document?.contents, 1);
  }

  #refuseRepeated(keys: readonly Node[]): void {
    const seen = new Set<unknown>();
    for (const key of keys) {
      const name = isScalar(key) ? key.value : undefined;
      if (seen.has(name)) this.reportAt(key.range?.[0] ?? 0, '', 'Map keys must be unique');
      seen.add(name);
    }
  }

  #stop(offset: number, message: string): false {
    this.reportAt(offset, '', message);
    return false;
  }
}

/** A value, or its absence, with its position. */
export class LocatedValue {
  readonly #source: Source;
  readonly #node: Node | undefined;
  readonly #offset: number;
  readonly path: string;

  constructor(source: Source, node: Node | undefined, path: string, offset: number) {
    this.#source = source;
    this.#offset = node?.range?.[0] ?? offset;
    this.#node = node === undefined ? undefined : source.resolve(node);
    this.path = path;
  }

  get kind(): NodeKind {
    const node = this.#node;
    if (node === undefined) return 'absent';
    if (isMap(node)) return 'map';
    if (isSeq(node)) return 'list';
    const value: unknown = isScalar(node) ? node.value : undefined;
    if (value === null) return 'null';
    if (isScalar(node) && isDate(node)) return 'date';
    return typeof value === 'number' ? 'number' : typeof value === 'boolean' ? 'boolean' : 'text';
  }

  /** Absent or null. */
  get empty(): boolean {
    return this.kind === 'absent' || this.kind === 'null';
  }

  /** The scalar's value: text, number or boolean; undefined for everything else, including unquoted dates. */
  get scalar(): string | number | boolean | undefined {
    const value: unknown = isScalar(this.#node) && !isDate(this.#node) ? this.#node.value : undefined;
    return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? value : undefined;
  }

  /** The source text of a number or date. */
  get written(): string {
    return isScalar(this.#node) ? (this.#node.source ?? '') : '';
  }

  /** Whether it is a whole number that a double cannot hold exactly. */
  get inexact(): boolean {
    const { scalar } = this;
    if (typeof scalar !== 'number' || !Number.isFinite(scalar) || Math.abs(scalar) <= Number.MAX_SAFE_INTEGER) return false;
    return !/^[-+]?\d+$/.test(this.written) || BigInt(this.written.replace('+', '')) !== BigInt(scalar);
  }

  /** The value under a key of a map. If absent, its position is the map's. */
  get(key: string): LocatedValue {
    const node = isMap<Node, Node | null>(this.#node) ? this.#node.get(key, true) : undefined;
    return new LocatedValue(this.#source, node, this.#below(key), this.#offset);
  }

  /** Keys and values of a map, in the order of the text. */
  entries(): readonly (readonly [key: string, value: LocatedValue])[] {
    if (!isMap<Node, Node | null>(this.#node)) return [];
    return this.#node.items.map(({ key, value }) => {
      const name = isScalar(key) ? String(key.value) : '';
      return [name, new LocatedValue(this.#source, value ?? undefined, this.#below(name), key.range?.[0] ?? this.#offset)];
    });
  }

  items(): readonly LocatedValue[] {
    if (!isSeq<Node>(this.#node)) return [];
    return this.#node.items.map((item, index) => new LocatedValue(this.#source, item, `${this.path}[${index}]`, this.#offset));
  }

  /** Sets a key of a map to a plain value, when an older file is upgraded. */
  put(key: string, value: unknown): void {
    if (isMap(this.#node)) this.#source.put(this.#node, key, value);
  }

  remove(key: string): void {
    if (isMap(this.#node)) this.#node.delete(key);
  }

  report(message: string): void {
    this.#source.reportAt(this.#offset, this.path, message);
  }

  #below(key: string): string {
    return this.path === '' ? key : `${this.path}.${key}`;
  }
}

/** An unquoted `2024-05-04`, with or without a time, which YAML 1.1 and SPACE's parsers treat as a date and not as text. */
const DATE = /^(?:\d{4}-\d\d-\d\d|\d{4}-\d\d?-\d\d?(?:[Tt]|[ \t]+)\d\d?:\d\d:\d\d(?:\.\d*)?(?:[ \t]*(?:Z|[-+]\d\d?(?::\d\d)?))?)$/;
const isDate = ({ type, value }: Scalar): boolean => type === 'PLAIN' && typeof value === 'string' && DATE.test(value);

/** The lexer's marker before the text of a scalar. */
const SCALAR = '\u001f';

/** The most directives and document markers in a file. */
const MAX_MARKS = 8;

const tooDeep = ({ maxDepth }: SourceLimits): string => `has more than ${maxDepth} levels`;

/** Checks the lexer's output against the limits; returns the one exceeded. The lexer is lazy, so it stops at the limit. */
function excessOf(text: string, limits: SourceLimits): string | undefined {
  let tokens = 0;
  let open = 0;
  let marks = 0;
  let scalar = false;
  for (const token of new Lexer().lex(text)) {
    tokens += 1;
    if (tokens > limits.maxTokens) return `has more than ${limits.maxTokens} tokens`;
    if (!scalar && (token === '[' || token === '{')) open += 1;
    if (!scalar && (token === ']' || token === '}')) open -= 1;
    if (open > limits.maxDepth) return tooDeep(limits);
    // Each takes as long as all before it together.
    if (!scalar && (token === '---' || token === '...' || token.startsWith('%'))) marks += 1;
    if (marks > MAX_MARKS) return 'has more than one document';
    scalar = token === SCALAR;
  }
  return undefined;
}

const firstSentence = (message: string): string => (message.split('\n')[0] ?? '').slice(0, 200);
