/**
 * The OAuth 2 code flow (RFC 6749 4.1, with PKCE of RFC 7636): `authorize` shows a login page and redirects with a code, `token` exchanges the code.
 * It redirects only to addresses of a list, compared literally; problems with that address or the client are shown on the page.
 */
import { createHash } from 'node:crypto';
import { accountsAuthorize, accountsRedeem, type TokenSet } from '@polyedge/contracts/bus/accounts';
import { errors, failed, type Outcome } from '@polyedge/contracts/errors';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { codeOf } from '../protocol/failures.ts';
import { sendFailure } from './answer.ts';
import { mayRequestTokens } from './applications.ts';
import { type AuthHttpOptions, type Fields, fieldsOf, TIMEOUT_MS } from './auth-options.ts';
import { loginPage, pageHeaders } from './login-page.ts';

/** Parameters of the request that the form carries as hidden fields. */
const CARRIED = ['response_type', 'client_id', 'redirect_uri', 'code_challenge', 'code_challenge_method', 'state', 'scope'] as const;
const MAX_PARAMETER = 1024;
/** The base64url of a SHA-256, and the characters of a verifier (RFC 7636 4.1). */
const CHALLENGE = /^[A-Za-z0-9_-]{43}$/;
const VERIFIER = /^[A-Za-z0-9._~-]{43,128}$/;

/** Parses the allowed redirect URIs. Throws if one is not a URL. */
export function parseRedirects(text: string): ReadonlySet<string> {
  const addresses = text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
  for (const address of addresses)
    if (!URL.canParse(address) || address.includes('#')) throw new Error(`${address} is not a valid redirect URI`);
  return new Set(addresses);
}

export function authorizeRoutes(app: FastifyInstance, options: AuthHttpOptions): void {
  for (const prefix of ['/api/auth/:version', '/api/:version/auth']) {
    app.get(`${prefix}/authorize`, (request, reply) => {
      const authorization = read(textsOf(request.query), options);
      return authorization.ok ? show(reply, authorization.value, 200) : sendFailure(reply, options.style, authorization.failure);
    });
    app.post(`${prefix}/authorize`, (request, reply) => logIn(request, reply, options));
  }
}

interface AuthorizationRequest {
  readonly redirect: string;
  readonly client: string;
  readonly state: string;
  readonly binding: string;
  readonly carried: Fields;
}

/** These problems are never redirected: the redirect URI cannot be trusted yet, or the application is faulty. */
function read(fields: Fields, { applications, redirects }: AuthHttpOptions): Outcome<AuthorizationRequest> {
  const { client_id: client = '', redirect_uri: redirect = '', code_challenge: challenge = '', state = '' } = fields;
  if (redirects.size === 0) return failed('not-found', 'the code flow is not configured');
  if (CARRIED.some((name) => (fields[name] ?? '').length > MAX_PARAMETER)) return failed('invalid', 'a parameter is too long');
  if (applications !== undefined && !applications.has(client)) return failed('invalid', 'client_id is not known');
  if (!redirects.has(redirect)) return failed('invalid', 'redirect_uri is not allowed');
  if (fields.response_type !== 'code') return failed('invalid', 'response_type is not code');
  if ((fields.code_challenge_method ?? '') !== 'S256') return failed('invalid', 'code_challenge_method is not S256');
  if (!CHALLENGE.test(challenge)) return failed('invalid', 'code_challenge is not the SHA-256 of a verifier');
  const carried = Object.fromEntries(CARRIED.flatMap((name) => (fields[name] === undefined ? [] : [[name, fields[name]]])));
  return { ok: true, value: { redirect, client, state, binding: bindingOf(client, redirect, challenge), carried } };
}

const bindingOf = (client: string, redirect: string, challenge: string): string => JSON.stringify([client, redirect, challenge]);

function show(reply: FastifyReply, { client, redirect, carried }: AuthorizationRequest, status: number, problem?: string): FastifyReply {
  return reply
    .code(status)
    .headers(pageHeaders(redirect))
    .send(loginPage(client, carried, problem));
}

async function logIn(request: FastifyRequest, reply: FastifyReply, options: AuthHttpOptions): Promise<FastifyReply> {
  const fields = fieldsOf(request);
  const authorization = read(fields, options);
  if (!authorization.ok) return sendFailure(reply, options.style, authorization.failure);
  const { username = '', password = '' } = fields;
  if (username === '' || password === '') return show(reply, authorization.value, 400, 'User name or password is missing.');
  const { client, redirect, state, binding } = authorization.value;
  const proof = createHash('sha256').update(password, 'utf8').digest('hex');
  const session = { protocol: 'hiro', app: client, address: request.ip };
  const login = await options.bus.request(
    accountsAuthorize,
    accountsAuthorize.subject({}),
    { username: username.slice(0, 512), proof, binding, ...session },
    { timeoutMs: TIMEOUT_MS },
  );
  if (!login.ok) {
    const { failure } = login;
    if (failure.code === 'unauthenticated') return show(reply, authorization.value, 401, 'The user name or the password is wrong.');
    const status = codeOf(failure);
    return show(reply, authorization.value, status > 599 ? 503 : status, errors[failure.code].text);
  }
  const to = new URL(redirect);
  to.searchParams.set('code', login.value.code);
  if (state !== '') to.searchParams.set('state', state);
  return reply.header('cache-control', 'no-store').header('referrer-policy', 'no-referrer').redirect(to.href, 303);
}

/** `grant_type=authorization_code`. */
export async function redeem(fields: Fields, address: string, options: AuthHttpOptions): Promise<Outcome<TokenSet>> {
  const {
    client_id: client = '',
    client_secret: secret = '',
    redirect_uri: redirect = '',
    code = '',
    code_verifier: verifier = '',
  } = fields;
  if (!mayRequestTokens(options.applications, client, secret)) return failed('unauthenticated', 'invalid_client');
  if (code === '' || code.length > 512) return failed('invalid', 'code is missing');
  if (!VERIFIER.test(verifier)) return failed('invalid', 'code_verifier is missing, or not 43 to 128 characters');
  const challenge = createHash('sha256').update(verifier).digest('base64url');
  const request = { code, binding: bindingOf(client, redirect, challenge), protocol: 'hiro', app: client, address };
  if (request.binding.length > 4096) return failed('invalid', 'redirect_uri is too long');
  return await options.bus.request(accountsRedeem, accountsRedeem.subject({}), request, { timeoutMs: TIMEOUT_MS });
}

function textsOf(query: unknown): Fields {
  return Object.fromEntries(Object.entries(query ?? {}).filter((entry): entry is [string, string] => typeof entry[1] === 'string'));
}
