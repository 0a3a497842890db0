/** jfilter, the language of event filters (HIRO WS API, Filters). */
import type { Outcome } from '@polyedge/contracts/errors';
import type { Filter } from '@polyedge/query/filter';

/**
 * Compiles a jfilter to a filter over the element after the change and `['action']`, what the change did.
 * Failures are `invalid`, with the position in the detail. Never throws.
 */
export function compileJfilter(_text: string, _context: { readonly tenant: string }): Outcome<Filter> {
  return { ok: false, failure: { code: 'internal' } };
}
