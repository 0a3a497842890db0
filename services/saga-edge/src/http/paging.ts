/** Pages (Saga protocol page, 6.1): `page` from 1, `limit` 1 to 100, announced only by the `Link` header. */

import type { Element } from '@polyedge/contracts/element';
import type { Filter } from '@polyedge/query/filter';
import { both } from '@polyedge/saga/elements';
import { sagaError } from '@polyedge/saga/errors';
import { failure, ok, type Reply, refused } from './reply.ts';
import type { Request } from './server.ts';
import type { Store } from './store.ts';

const DEFAULT_LIMIT = 50;
const MAX_LIMIT = 100;
const MAX_PAGE = 10_000;

export interface PageRequest {
  readonly limit: number;
  readonly page: number;
  readonly offset: number;
}

/** The requested page, or the error to answer. */
export function pageOf({
  query,
}: Request): { readonly ok: true; readonly page: PageRequest } | { readonly ok: false; readonly reply: Reply } {
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

/** Answers with one page; `items` has one more than the limit if there is a next page. */
export function paged<Item>(
  request: Request,
  { page, limit }: PageRequest,
  items: readonly Item[],
  show: (items: readonly Item[]) => unknown,
): Reply {
  const links: string[] = [];
  if (page > 1) links.push(linkTo(request, 'prev', { page: String(page - 1), limit: String(limit) }));
  if (items.length > limit) links.push(linkTo(request, 'next', { page: String(page + 1), limit: String(limit) }));
  return ok(show(items.slice(0, limit)), links.join(', '));
}

/** One link; other parameters of the query are kept, except a token. */
export function linkTo({ path, query }: Request, rel: 'prev' | 'next', change: Readonly<Record<string, string>>): string {
  const parameters = new URLSearchParams({ ...query, ...change });
  parameters.delete('access-token');
  return `<${path}?${parameters}>; rel="${rel}"`;
}

interface StreamStart {
  readonly after: number;
  readonly limit: number;
}

export const BAD_STREAM = sagaError(400, 'sortable_id and limit are numbers');

/** The position after a `sortable_id`, for clients that resume: entries from there on, in order. Undefined if it is no number. */
export function streamStart({ query }: Request): StreamStart | undefined {
  const after = query.sortable_id ?? '0';
  const limit = query.limit ?? '50';
  if (!/^\d{1,15}$/.test(after) || !/^\d{1,9}$/.test(limit) || Number(limit) < 1) return undefined;
  return { after: Number(after), limit: Math.min(Number(limit), MAX_LIMIT) };
}

/** Elements after a `sortable_id`, oldest first; the link carries the last one. */
export async function streamOf(store: Store, request: Request, filter: Filter, show: (element: Element) => unknown): Promise<Reply> {
  const range = streamStart(request);
  if (range === undefined) return refused(BAD_STREAM);
  const found = await store.query(request.who.tenant, {
    filter: both(filter, { test: 'more', path: ['seq'], value: range.after }),
    sort: [{ path: ['seq'], order: 'asc' }],
    limit: range.limit + 1,
  });
  if (!found.ok) return failure(found.failure);
  const elements = found.value.elements.slice(0, range.limit);
  const last = elements.at(-1)?.seq;
  const more = found.value.elements.length > range.limit && last !== undefined;
  const link = more ? linkTo(request, 'next', { sortable_id: String(last), limit: String(range.limit) }) : undefined;
  return ok(elements.map(show), link);
}
