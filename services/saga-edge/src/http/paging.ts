/** Pages (Saga protocol page, 6.1): `page` from 1, `limit` 1 to 100, announced only by the `Link` header. */
import { sagaError } from '../protocol/errors.ts';
import { ok, type Reply, refused } from './reply.ts';
import type { Request } from './server.ts';

const DEFAULT_LIMIT = 50;
const MAX_LIMIT = 100;
const MAX_PAGE = 10_000;

export interface Page {
  readonly limit: number;
  readonly page: number;
  readonly offset: number;
}

/** The page a request asks for, or the error to answer. */
export function pageOf({ query }: Request): { readonly ok: true; readonly page: Page } | { readonly ok: false; readonly reply: Reply } {
  const page = wholeOf(query.page, 1, MAX_PAGE);
  const limit = wholeOf(query.limit, DEFAULT_LIMIT, Number.MAX_SAFE_INTEGER);
  if (page === undefined) return { ok: false, reply: refused(sagaError(400, `page is a number from 1 to ${MAX_PAGE}`)) };
  if (limit === undefined) return { ok: false, reply: refused(sagaError(400, 'limit is a number from 1')) };
  const bounded = Math.min(limit, MAX_LIMIT);
  return { ok: true, page: { limit: bounded, page, offset: (page - 1) * bounded } };
}

function wholeOf(text: string | undefined, otherwise: number, max: number): number | undefined {
  if (text === undefined) return otherwise;
  const value = Number(text);
  return /^\d+$/.test(text) && value >= 1 && value <= max ? value : undefined;
}

/** Answers with one page; `items` holds one more than the limit where there is a next page. */
export function paged<Item>(
  request: Request,
  { page, limit }: Page,
  items: readonly Item[],
  show: (items: readonly Item[]) => unknown,
): Reply {
  const links: string[] = [];
  if (page > 1) links.push(linkTo(request, 'prev', { page: String(page - 1), limit: String(limit) }));
  if (items.length > limit) links.push(linkTo(request, 'next', { page: String(page + 1), limit: String(limit) }));
  return ok(show(items.slice(0, limit)), links.join(', '));
}

/** One link; other parameters of the query stay, but for a token. */
export function linkTo({ path, query }: Request, rel: 'prev' | 'next', change: Readonly<Record<string, string>>): string {
  const parameters = new URLSearchParams({ ...query, ...change });
  parameters.delete('access-token');
  return `<${path}?${parameters}>; rel="${rel}"`;
}
