import { failed, type Outcome } from '@polyedge/contracts/errors';
import type { GraphRequest } from '@polyedge/contracts/wire/hiro';

/** A REST call as the graph-ws request that means the same, and how its answer is wrapped. */
export interface RestCall {
  readonly request: Pick<GraphRequest, 'type' | 'headers' | 'body'>;
  /** `items`: `{ "items": [...] }`. `first`: the only item, 404 without one. */
  readonly answer: 'single' | 'items' | 'first';
}

/** First segments that are never the id of an element. */
const RESERVED: readonly string[] = ['new', 'connect', 'query', 'xid'];

/** Methods that a path knows, each with what it means. */
type Methods = Readonly<Record<string, RestCall>>;

/**
 * A call of `/api/graph/7.x/` (hiro-graph-js src/transport-http, hiro-client-python client.py, hiro-client-java GraphAPI).
 *
 * @param segments the parts of the path below the API's own, decoded
 * @param query URL parameters: they stand where graph-ws has headers
 * @returns `not-found` for a path nobody knows, `invalid` with a detail for a method that the path does not have
 */
export function toRestCall(
  method: string,
  segments: readonly string[],
  query: Readonly<Record<string, string>>,
  body: unknown,
): Outcome<RestCall> {
  const methods = methodsOf(segments, query, body);
  if (methods === undefined) return failed('not-found', 'there is nothing under this path');
  const found = methods[method === 'HEAD' ? 'GET' : method];
  return found === undefined ? failed('invalid', `this path knows ${Object.keys(methods).join(', ')}`) : { ok: true, value: found };
}

function methodsOf(segments: readonly string[], query: Readonly<Record<string, string>>, body: unknown): Methods | undefined {
  const [first, second] = segments;
  if (first === undefined || first === '' || second === '') return undefined;
  const ask = (type: string, more: Readonly<Record<string, string>>, answer: RestCall['answer'] = 'single'): RestCall => ({
    request: { type, headers: { ...query, ...more }, body },
    answer,
  });
  if (segments.length === 2 && second !== undefined) {
    switch (first) {
      case 'new':
        return { POST: ask('create', { 'ogit/_type': second }) };
      case 'connect':
        return { POST: ask('connect', { 'ogit/_type': second }) };
      case 'query':
        return { GET: ask('query', { type: second }, 'items'), POST: ask('query', { type: second }, 'items') };
      case 'xid':
        return { GET: ask('query', { type: 'xid', query: second, limit: '1' }, 'first') };
    }
  }
  if (RESERVED.includes(first)) return undefined;
  const id = { 'ogit/_id': first };
  if (segments.length === 3 && second === 'values' && segments[2] === 'history') return { GET: ask('valuehistory', id, 'items') };
  if (segments.length === 2) {
    switch (second) {
      case 'values':
        return { GET: ask('streamts', id, 'items'), POST: ask('writets', id) };
      case 'history':
        return { GET: ask('history', id, 'items') };
      case 'meta':
        return { GET: ask('meta', id) };
      default:
        return undefined;
    }
  }
  if (segments.length !== 1) return undefined;
  if (first === 'events') return { GET: ask('events', {}, 'items') };
  return { GET: ask('get', id), POST: ask('update', id), PUT: ask('replace', id), DELETE: ask('delete', id) };
}
