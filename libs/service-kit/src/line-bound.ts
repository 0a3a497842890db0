/**
 * How many lines of one kind a minute gets. Clients cause lines: one that sends nonsense as fast as it can must not bury what an operator
 * looks for, nor fill the disk. What was left out is counted.
 */

/** Lines of one kind within a minute. */
const MAX_LINES = 60;
const WINDOW_MS = 60_000;
/** Kinds told apart within a minute; all others are one kind together. */
const MAX_KINDS = 200;
const OTHERS = 'lines of many kinds';

interface Kind {
  lines: number;
  leftOut: number;
}

export class LineBound {
  readonly #report: (level: string, kind: string, count: number) => void;
  readonly #kinds = new Map<string, Kind & { readonly level: string; readonly name: string }>();
  #timer: NodeJS.Timeout | undefined;

  /** @param tell hears at the end of each minute how many lines of a kind were left out */
  constructor(report: (level: string, kind: string, count: number) => void) {
    this.#report = report;
  }

  /** Whether a line may be written. */
  admits(level: string, sentence: string): boolean {
    const name = kindOf(sentence);
    const kind = this.#kindOf(level, name);
    if (kind.lines < MAX_LINES) {
      kind.lines += 1;
      return true;
    }
    kind.leftOut += 1;
    return false;
  }

  /** Ends the minute: tells what was left out, and counts anew. */
  end(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const kinds = [...this.#kinds.values()];
    this.#kinds.clear();
    for (const { level, name, leftOut } of kinds) if (leftOut > 0) this.#report(level, name, leftOut);
  }

  #kindOf(level: string, name: string): Kind {
    const known = this.#kinds.get(`${level} ${name}`);
    if (known !== undefined) return known;
    if (name !== OTHERS && this.#kinds.size >= MAX_KINDS) return this.#kindOf(level, OTHERS);
    this.#timer ??= setTimeout(() => this.end(), WINDOW_MS).unref();
    const kind = { level, name, lines: 0, leftOut: 0 };
    this.#kinds.set(`${level} ${name}`, kind);
    return kind;
  }
}

/** Sentences that differ only behind a colon or in numbers are of one kind: there stands what a client sent. */
const kindOf = (sentence: string): string => (sentence.split(':', 1)[0] ?? '').slice(0, 200).replace(/\d+/g, '…');
