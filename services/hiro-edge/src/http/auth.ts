import { createHash } from 'node:crypto';
import { accountsLogin, accountsRefresh, accountsRevoke, type TokenSet } from '@polyedge/contracts/bus/accounts';
import { failed, type Outcome } from '@polyedge/contracts/errors';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { bearerOf } from '../protocol/handshake.ts';
import { sendFailure, sendJson } from './answer.ts';
import { mayRequestTokens } from './applications.ts';
import { type AuthHttpOptions, type Fields, fieldsOf, TIMEOUT_MS } from './auth-options.ts';
import { redeem } from './authorize.ts';

/** `/api/auth/6.x/…` and HIRO 6's `/api/6.x/auth/…`. */
export function authRoutes(app: FastifyInstance, options: AuthHttpOptions): void {
  for (const prefix of ['/api/auth/:version', '/api/:version/auth']) {
    app.post(`${prefix}/app`, (request, reply) => answerTokens(reply, options, login(fieldsOf(request), request.ip, options)));
    app.post(`${prefix}/refresh`, (request, reply) => answerTokens(reply, options, refresh(fieldsOf(request), request.ip, options)));
    app.post(`${prefix}/token`, (request, reply) => answerTokens(reply, options, grant(fieldsOf(request), request.ip, options)));
    app.post(`${prefix}/revoke`, (request, reply) => revoke(request, reply, options));
  }
}

function login(fields: Fields, address: string, options: AuthHttpOptions): Promise<Outcome<TokenSet>> {
  const { username, password } = fields;
  if (username === undefined || username === '' || password === undefined) {
    return Promise.resolve(failed('invalid', 'username or password is missing'));
  }
  return asApplication(fields, address, options, (session) => {
    // The directory takes proofs, because the clients of another protocol hash the password themselves; this edge hashes for its clients.
    const proof = createHash('sha256').update(password, 'utf8').digest('hex');
    return options.bus.request(accountsLogin, accountsLogin.subject({}), { username, proof, ...session }, { timeoutMs: TIMEOUT_MS });
  });
}

function refresh(fields: Fields, address: string, options: AuthHttpOptions): Promise<Outcome<TokenSet>> {
  const refreshToken = fields.refresh_token;
  if (refreshToken === undefined || refreshToken === '') return Promise.resolve(failed('invalid', 'refresh_token is missing'));
  return asApplication(fields, address, options, (session) =>
    options.bus.request(accountsRefresh, accountsRefresh.subject({}), { refreshToken, ...session }, { timeoutMs: TIMEOUT_MS }),
  );
}

/** OAuth 2 token requests in form encoding, as the current Java client sends them. */
function grant(fields: Fields, address: string, options: AuthHttpOptions): Promise<Outcome<TokenSet>> {
  switch (fields.grant_type) {
    case 'password':
      return login(fields, address, options);
    case 'refresh_token':
      return refresh(fields, address, options);
    case 'authorization_code':
      return redeem(fields, address, options);
    default:
      return Promise.resolve(failed('invalid', 'unsupported_grant_type'));
  }
}

async function asApplication(
  fields: Fields,
  address: string,
  { applications }: AuthHttpOptions,
  ask: (session: { readonly protocol: string; readonly app: string; readonly address: string }) => Promise<Outcome<TokenSet>>,
): Promise<Outcome<TokenSet>> {
  const { client_id: id = '', client_secret: secret = '' } = fields;
  if (!mayRequestTokens(applications, id, secret)) return failed('unauthenticated', 'invalid_client');
  return ask({ protocol: 'hiro', app: id, address });
}

async function answerTokens(reply: FastifyReply, { style }: AuthHttpOptions, asked: Promise<Outcome<TokenSet>>): Promise<FastifyReply> {
  const outcome = await asked;
  if (!outcome.ok) return sendFailure(reply, style, outcome.failure);
  const { accessToken, expiresAt, refreshToken, account } = outcome.value;
  // The union of the fields that six clients read.
  return sendJson(reply.header('cache-control', 'no-store'), 200, {
    _TOKEN: accessToken,
    access_token: accessToken,
    refresh_token: refreshToken,
    'expires-at': expiresAt,
    expires_in: Math.max(0, Math.floor((expiresAt - Date.now()) / 1000)),
    type: 'Bearer',
    token_type: 'Bearer',
    _APPLICATION: appOf(reply.request),
    _IDENTITY: account.username,
    _IDENTITY_ID: account.id,
  });
}

const appOf = (request: FastifyRequest): string => fieldsOf(request).client_id ?? '';

/** A refresh token revokes its login; an access token revokes all tokens of its account. Answers 200 to unknown tokens too (RFC 7009). */
async function revoke(request: FastifyRequest, reply: FastifyReply, options: AuthHttpOptions): Promise<FastifyReply> {
  const { refresh_token: refreshToken = '', token = '' } = fieldsOf(request);
  const what = refreshToken === '' ? await revocable(token, bearerOf(request.headers.authorization), options) : { refreshToken };
  if (what === undefined) return sendFailure(reply, options.style, { code: 'unauthenticated', detail: 'nothing to revoke' });
  const outcome = await options.bus.request(accountsRevoke, accountsRevoke.subject({}), what, { timeoutMs: TIMEOUT_MS });
  if (!outcome.ok && outcome.failure.code !== 'not-found') return sendFailure(reply, options.style, outcome.failure);
  return sendJson(reply, 200, {});
}

/** `token` may be either kind: an access token is one that verifies. */
async function revocable(
  token: string,
  bearer: string | undefined,
  options: AuthHttpOptions,
): Promise<{ readonly refreshToken: string } | { readonly account: string } | undefined> {
  const access = token === '' ? bearer : token;
  if (access === undefined) return undefined;
  const principal = await options.verify(access);
  if (principal.ok) return { account: principal.value.account };
  return token === '' ? undefined : { refreshToken: token };
}
