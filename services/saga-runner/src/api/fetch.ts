/** `fetch`: performed by the service, as far as the operator allows. */

import { fetchRemote } from '@polyedge/remote/fetch';
import { isObject } from '@polyedge/saga/elements';
import { sagaError } from '@polyedge/saga/errors';
import { answer, refuse } from '@polyedge/saga/work';
import { CannotStart } from '@polyedge/service-kit/lifecycle';
import { type ApiCall, BAD_CALL } from './context.ts';

export interface FetchSettings {
  readonly fetch: 'off' | 'listed' | 'public';
  readonly fetchHosts: string | undefined;
}

const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']);
/** Headers that belong to the connection, or could impersonate another client. */
const REFUSED = /^(host|connection|content-length|transfer-encoding|upgrade|te|trailer|keep-alive|proxy-.*|sec-.*)$/i;
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/;
const TIMEOUT_MS = 10_000;
const MAX_BYTES = 2 * 1024 * 1024;
const MAX_HEADERS = 64;

/** A host's name or address, with or without a port. */
const HOST = /^([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?$/;

/** Throws `CannotStart` for settings that contradict each other. */
export function fetchCalls({ fetch: mode, fetchHosts }: FetchSettings): Readonly<Record<string, ApiCall>> {
  const hosts = hostsOf(mode, fetchHosts);
  const limits = { timeoutMs: TIMEOUT_MS, maxBytes: MAX_BYTES, allowPrivate: mode === 'listed', ...(mode === 'listed' ? { hosts } : {}) };
  return {
    fetch: async ({ url, method, headers, body }) => {
      if (mode === 'off') return refuse(sagaError(403, 'fetch is switched off'));
      if (typeof url !== 'string' || typeof method !== 'string' || !METHODS.has(method)) return BAD_CALL;
      const given: Record<string, string> = { 'user-agent': 'polyedge-saga-runner' };
      for (const [name, value] of Object.entries(isObject(headers) ? headers : {}).slice(0, MAX_HEADERS)) {
        if (typeof value !== 'string' || !TOKEN.test(name) || REFUSED.test(name) || /[\r\n\0]/.test(value)) return BAD_CALL;
        given[name.toLowerCase()] = value;
      }
      const content = typeof body === 'string' ? { body: Buffer.from(body, 'base64') } : {};
      const fetched = await fetchRemote({ url, method, headers: given, ...content }, limits);
      if (!fetched.ok) return refuse(sagaError(503, `fetch failed: ${fetched.problem}`));
      const { status, headers: received, body: bytes, url: from } = fetched.answer;
      return answer({ status, headers: received, body: bytes.toString('base64'), url: from });
    },
  };
}

function hostsOf(mode: FetchSettings['fetch'], listed = ''): ReadonlySet<string> {
  const hosts = listed
    .split(',')
    .map((host) => host.trim().toLowerCase())
    .filter((host) => host !== '');
  const wrong = hosts.find((host) => !HOST.test(host));
  if (wrong !== undefined) throw new CannotStart(`RUNNER_FETCH_HOSTS has "${wrong}"; expected hosts such as example.org or 10.0.0.7:8080`);
  if (mode === 'listed' && hosts.length === 0) throw new CannotStart('RUNNER_FETCH is listed, but RUNNER_FETCH_HOSTS lists no host');
  if (mode === 'public' && hosts.length > 0)
    throw new CannotStart('RUNNER_FETCH is public, which is not limited to RUNNER_FETCH_HOSTS: set it to listed, or list none');
  return new Set(hosts);
}
