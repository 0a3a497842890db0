/**
 * Requests to URLs that clients supply: http and https only, with a time-out and a size limit, and to public addresses only unless the
 * operator allows others. The connection goes to the very address that was checked, so a second DNS answer cannot redirect it; each
 * redirect is checked again.
 */
import { lookup } from 'node:dns';
import type { IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import { isPublicAddress } from './addresses.ts';

// An `import` would load undici as well (service-kit/node-http.ts).
const { request: httpRequest } = process.getBuiltinModule('node:http');

export interface RemoteLimits {
  readonly timeoutMs: number;
  readonly maxBytes: number;
  /** Whether addresses of private networks may be called: the operator's decision. */
  readonly allowPrivate: boolean;
  /** The hosts that may be called, as `host` or `host:port`; any if undefined. */
  readonly hosts?: ReadonlySet<string>;
}

export interface RemoteCall {
  readonly url: string;
  readonly method?: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
}

export interface RemoteAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** The URL that answered, after redirects. */
  readonly url: string;
}

export type Fetched = { readonly ok: true; readonly answer: RemoteAnswer } | { readonly ok: false; readonly problem: string };

const MAX_REDIRECTS = 3;
const MAX_URL_CHARACTERS = 2048;
const PRIVATE = 'ERR_PRIVATE_ADDRESS';

/** Headers that are meant for the origin of the call alone. */
const CREDENTIALS: ReadonlySet<string> = new Set(['authorization', 'cookie']);

const problem = (text: string): Fetched => ({ ok: false, problem: text });

/** Follows redirects of GET and HEAD, to other origins without credentials; those of other methods are returned as answers. */
export async function fetchRemote(call: RemoteCall, limits: RemoteLimits): Promise<Fetched> {
  const signal = AbortSignal.timeout(limits.timeoutMs);
  const follows = call.method === undefined || call.method === 'GET' || call.method === 'HEAD';
  const origin = targetOf(call.url)?.origin;
  let at = call.url;
  for (let hops = 0; hops <= MAX_REDIRECTS; hops += 1) {
    const target = targetOf(at);
    if (target === undefined) return problem('only http and https URLs without credentials are allowed');
    const host = target.hostname.replace(/^\[|\]$/g, '');
    if (limits.hosts !== undefined && !limits.hosts.has(target.hostname) && !limits.hosts.has(target.host)) {
      return problem('its host is not on the list of allowed hosts');
    }
    if (isIP(host) !== 0 && !limits.allowPrivate && !isPublicAddress(host)) return problem('its address is not public');
    const headers = target.origin === origin ? call.headers : withoutCredentials(call.headers);
    const fetched = await fetchOnce(target, { ...call, headers }, limits, signal);
    if (!fetched.ok) return fetched;
    const {
      status,
      headers: { location },
    } = fetched.answer;
    if (!follows || status < 300 || status > 399 || location === undefined) return fetched;
    if (!URL.canParse(location, target.href)) return problem('it redirects to an invalid URL');
    at = new URL(location, target.href).href;
  }
  return problem('it redirects too often');
}

const withoutCredentials = (headers: RemoteCall['headers']): RemoteCall['headers'] =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => !CREDENTIALS.has(name.toLowerCase())));

function targetOf(url: string): URL | undefined {
  if (url.length > MAX_URL_CHARACTERS || !URL.canParse(url)) return undefined;
  const target = new URL(url);
  return /^https?:$/.test(target.protocol) && target.username === '' && target.password === '' ? target : undefined;
}

function fetchOnce(target: URL, call: RemoteCall, limits: RemoteLimits, signal: AbortSignal): Promise<Fetched> {
  const send = target.protocol === 'https:' ? httpsRequest : httpRequest;
  return new Promise((resolve) => {
    const options = {
      agent: false,
      signal,
      method: call.method ?? 'GET',
      headers: { ...call.headers },
      ...(limits.allowPrivate ? {} : { lookup: publicLookup }),
    };
    const request = send(target, options, (response) => read(response, limits.maxBytes, target.href, resolve));
    request.on('error', (error: NodeJS.ErrnoException) => resolve(problem(reasonOf(error))));
    request.end(call.body);
  });
}

function read(response: IncomingMessage, maxBytes: number, url: string, done: (fetched: Fetched) => void): void {
  const chunks: Buffer[] = [];
  let bytes = 0;
  response.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= maxBytes) chunks.push(chunk);
    else {
      done(problem(`it is longer than ${maxBytes} bytes`));
      response.destroy();
    }
  });
  response.on('end', () => {
    const headers: Record<string, string> = {};
    for (const [name, value] of Object.entries(response.headers)) {
      if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(', ') : value;
    }
    done({ ok: true, answer: { status: response.statusCode ?? 0, headers, body: Buffer.concat(chunks), url } });
  });
  response.on('error', (error) => done(problem(isLate(error) ? 'it took too long' : 'the answer was cut off')));
}

/** Resolves a name to its addresses; fails if any of them is private, which is how DNS rebinding appears. */
const publicLookup: LookupFunction = (hostname, options, callback) => {
  lookup(hostname, { ...options, all: true }, (error, addresses) => {
    const [first] = addresses ?? [];
    if (error !== null) callback(error, '');
    else if (first === undefined || !addresses.every(({ address }) => isPublicAddress(address))) {
      callback(Object.assign(new Error('not public'), { code: PRIVATE }), '');
    } else if (options.all === true) callback(null, addresses);
    else callback(null, first.address, first.family);
  });
};

function isLate({ name, code }: NodeJS.ErrnoException): boolean {
  return name === 'AbortError' || name === 'TimeoutError' || code === 'ABORT_ERR';
}

function reasonOf(error: NodeJS.ErrnoException): string {
  if (isLate(error)) return 'it took too long';
  // The other codes would reveal which internal hosts exist.
  return error.code === PRIVATE ? 'its address is not public' : 'it does not answer';
}
