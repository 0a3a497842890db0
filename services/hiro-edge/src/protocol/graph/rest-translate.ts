import { failed, type Outcome } from '@polyedge/contracts/errors';
import type { GraphRequest } from '@polyedge/contracts/wire/hiro';
import { isPathWord } from '../element/ids.ts';

/** A REST call as the equivalent graph-ws request. */
export type RestCall = Pick<GraphRequest, 'type' | 'headers' | 'body'>;

/** The supported methods of a path, with their requests. */
type Methods = Readonly<Record<string, RestCall>>;

/**
 * Translates a call of `/api/graph/7.x/` (hiro-graph-js src/transport-http, hiro-client-python client.py, hiro-client-java GraphAPI).
 *
 * @param segments the decoded parts of the path below the API's own
 * @param query URL parameters, equivalent to graph-ws headers
 * @returns `not-found` for an unknown path, `invalid` with a detail for an unsupported method
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
  const ask = (type: string, more: Readonly<Record<string, string>>): RestCall => ({ type, headers: { ...query, ...more }, body });
  if (segments.length === 2 && second !== undefined) {
    switch (first) {
      case 'new':
        return { POST: ask('create', { 'ogit/_type': second }) };
      case 'connect':
        return { POST: ask('connect', { 'ogit/_type': second }) };
      case 'query':
        return { GET: ask('query', { type: second }), POST: ask('query', { type: second }) };
      case 'xid':
        return { GET: ask('query', { type: 'xid', query: second }) };
    }
  }
  // `events` alone is reserved for the list of events.
  if (first !== 'events' && isPathWord(first)) return undefined;
  const id = { 'ogit/_id': first };
  if (segments.length === 3 && second === 'values' && segments[2] === 'history') return { GET: ask('valuehistory', id) };
  if (segments.length === 2) {
    switch (second) {
      case 'values':
        return { GET: ask('streamts', id), POST: ask('writets', id) };
      case 'history':
        return { GET: ask('history', id) };
      case 'meta':
        return { GET: ask('meta', id) };
      default:
        return undefined;
    }
  }
  if (segments.length !== 1) return undefined;
  if (first === 'events') return { GET: ask('events', {}) };
  return { GET: ask('get', id), POST: ask('update', id), PUT: ask('replace', id), DELETE: ask('delete', id) };
}
