/**
 * Limits the log lines of one kind per minute. Clients cause log lines: one that sends garbage at full speed must neither hide other lines
 * nor fill the disk. Suppressed lines are counted.
 */

/** Maximum lines of one kind per minute. */
const MAX_LINES = 60;
const WINDOW_MS = 60_000;
/** Maximum kinds per minute; all others count as one kind. */
const MAX_KINDS = 200;
const OTHERS = 'lines of many kinds';

interface LineKind {
  lines: number;
  leftOut: number;
}

export class LineBound {
  readonly #report: (level: string, kind: string, count: number) => void;
  readonly #kinds = new Map<string, LineKind & { readonly level: string; readonly name: string }>();
  #timer: NodeJS.Timeout | undefined;

  /** @param report called at the end of each minute with the number of suppressed lines of a kind */
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

  /** Ends the minute: reports the suppressed lines and starts over. */
  end(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const kinds = [...this.#kinds.values()];
    this.#kinds.clear();
    for (const { level, name, leftOut } of kinds) if (leftOut > 0) this.#report(level, name, leftOut);
  }

  #kindOf(level: string, name: string): LineKind {
    const known = this.#kinds.get(`${level} ${name}`);
    if (known !== undefined) return known;
    if (name !== OTHERS && this.#kinds.size >= MAX_KINDS) return this.#kindOf(level, OTHERS);
    this.#timer ??= setTimeout(() => this.end(), WINDOW_MS).unref();
    const kind = { level, name, lines: 0, leftOut: 0 };
    this.#kinds.set(`${level} ${name}`, kind);
    return kind;
  }
}

/** Sentences that differ only in numbers or after a colon are of one kind, because client data appears there. */
const kindOf = (sentence: string): string => (sentence.split(':', 1)[0] ?? '').slice(0, 200).replace(/\d+/g, '…');
