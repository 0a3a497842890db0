/**
 * Fetching a pricing that was given by its URL: http and https, within a time, up to a size, from public addresses only. The address that was
 * checked is the one connected to, so a name cannot change its mind in between; every redirection is checked again.
 */
import { lookup } from 'node:dns';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import { got, type Result, refuse } from '../protocol/answer.ts';
import { isPublicAddress } from './addresses.ts';

export interface RemoteLimits {
  readonly timeoutMs: number;
  readonly maxBytes: number;
  /** Whether addresses inside private networks may be asked: an operator's decision. */
  readonly allowPrivate: boolean;
}

const MAX_REDIRECTS = 3;
const MAX_URL_CHARACTERS = 2048;
const PRIVATE = 'ERR_PRIVATE_ADDRESS';

/** The text behind a URL; 400 with the reason for anything else. */
export async function fetchYaml(url: string, limits: RemoteLimits): Promise<Result<string>> {
  const signal = AbortSignal.timeout(limits.timeoutMs);
  let at = url;
  for (let hops = 0; hops <= MAX_REDIRECTS; hops += 1) {
    const target = targetOf(at);
    if (target === undefined) return failure('only http and https URLs without credentials are allowed');
    const host = target.hostname.replace(/^\[|\]$/g, '');
    if (isIP(host) !== 0 && !limits.allowPrivate && !isPublicAddress(host)) return failure('its address is not public');
    const outcome = await fetchOnce(target, limits, signal);
    if (outcome.kind === 'text') return got(outcome.text);
    if (outcome.kind === 'problem') return failure(outcome.problem);
    if (!URL.canParse(outcome.location, target.href)) return failure('it redirects to something that is no URL');
    at = new URL(outcome.location, target.href).href;
  }
  return failure('it redirects too often');
}

const failure = (problem: string) => refuse(400, `Invalid request: The pricing could not be fetched from the URL: ${problem}`);

function targetOf(url: string): URL | undefined {
  if (url.length > MAX_URL_CHARACTERS || !URL.canParse(url)) return undefined;
  const target = new URL(url);
  return /^https?:$/.test(target.protocol) && target.username === '' && target.password === '' ? target : undefined;
}

type Fetched =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'moved'; readonly location: string }
  | { readonly kind: 'problem'; readonly problem: string };

function fetchOnce(target: URL, limits: RemoteLimits, signal: AbortSignal): Promise<Fetched> {
  const send = target.protocol === 'https:' ? httpsRequest : httpRequest;
  return new Promise((resolve) => {
    const problem = (text: string): void => resolve({ kind: 'problem', problem: text });
    const request = send(
      target,
      {
        agent: false,
        signal,
        headers: { accept: 'application/yaml, text/yaml, text/plain, */*', 'user-agent': 'polyedge-space-edge' },
        ...(limits.allowPrivate ? {} : { lookup: publicLookup }),
      },
      (response) => {
        const { statusCode = 0, headers } = response;
        if (statusCode >= 300 && statusCode < 400 && headers.location !== undefined) {
          response.destroy();
          resolve({ kind: 'moved', location: headers.location });
        } else if (statusCode < 200 || statusCode > 299) {
          response.destroy();
          problem(`it was answered with status ${statusCode}`);
        } else {
          readText(response, limits.maxBytes, (text) => resolve(text));
        }
      },
    );
    request.on('error', (error: NodeJS.ErrnoException) => problem(reasonOf(error)));
    request.end();
  });
}

function readText(response: IncomingMessage, maxBytes: number, done: (fetched: Fetched) => void): void {
  const chunks: Buffer[] = [];
  let bytes = 0;
  response.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= maxBytes) chunks.push(chunk);
    else {
      done({ kind: 'problem', problem: `it is longer than ${maxBytes} bytes` });
      response.destroy();
    }
  });
  response.on('end', () => done({ kind: 'text', text: Buffer.concat(chunks).toString('utf8') }));
  response.on('error', (error) => done({ kind: 'problem', problem: isLate(error) ? 'it took too long' : 'the answer broke off' }));
}

/** Resolves a name to its public addresses only; to none of them when any is private, since that is how rebinding looks. */
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
  // The other codes would tell a stranger what answers inside.
  return error.code === PRIVATE ? 'its address is not public' : 'it does not answer';
}
