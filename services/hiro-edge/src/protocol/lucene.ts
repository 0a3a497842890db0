/** The query string of `query vertices` (HIRO Graph API, Lucene syntax). */
import type { Outcome } from '@polyedge/contracts/errors';
import type { Filter } from '@polyedge/query/filter';

/**
 * Compiles a query string. Failures are `invalid`, with the position in the detail. Never throws.
 *
 * @param placeholders everything else of the request's body: `$name` stands for the value under `name`, always as a value
 */
export function compileLucene(
  _text: string,
  _context: { readonly tenant: string; readonly placeholders?: Readonly<Record<string, unknown>> },
): Outcome<Filter> {
  return { ok: false, failure: { code: 'internal' } };
}
