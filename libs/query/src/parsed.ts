/** A checked value, or one sentence for the client's developer that says what is wrong with it. */
export type Parsed<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: string };

/** Thrown inside a parser to report a problem in its input; `parsing` catches it. */
export class ParseError extends Error {}

/** Runs a parser that reports problems by throwing `ParseError`; other errors are bugs and pass through. */
export function parsing<T>(parse: () => T): Parsed<T> {
  try {
    return { ok: true, value: parse() };
  } catch (error) {
    if (error instanceof ParseError) return { ok: false, problem: error.message };
    throw error;
  }
}
