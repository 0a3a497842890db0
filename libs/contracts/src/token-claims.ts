/**
 * The claims of our access tokens: a JWT signed with EdDSA by graph-store, with header `typ: at+jwt` and an opaque `kid`. `data` is what HIRO's
 * clients read (hiro protocol page 4.3); only it contains the default scope.
 */
import type { Account, Revocation } from './bus/accounts.ts';
import type { Principal } from './principal.ts';
import { check, T } from './schema.ts';

export const TOKEN_ISSUER = 'polyedge';
/** The audience of every token. It is a single string, because HIRO's Java client does not accept a list. */
export const TOKEN_AUDIENCE = 'polyedge';
export const TOKEN_TYPE = 'at+jwt';
export const TOKEN_ALGORITHM = 'EdDSA';
/** A longer token is rejected without parsing. */
export const MAX_TOKEN_BYTES = 8 * 1024;

const Strings = T.Array(T.String());

/** Times of the JWT itself (`iat`, `nbf`, `exp`) are seconds since 1970, those in `data` milliseconds. */
export const TokenClaims = T.Object({
  iss: T.Literal(TOKEN_ISSUER),
  /** The account's id. */
  sub: T.String({ minLength: 1 }),
  aud: T.Union([T.String(), Strings]),
  exp: T.Number(),
  iat: T.Number(),
  nbf: T.Optional(T.Number()),
  jti: T.String(),
  tenant: T.String({ minLength: 1 }),
  /** The login that the token belongs to. */
  sid: T.String({ minLength: 1 }),
  username: T.String(),
  app: T.String(),
  /** By protocol. */
  roles: T.Record(T.String(), Strings),
  scopes: Strings,
  type: T.Optional(T.Literal('access')),
  _id: T.Optional(T.String()),
  expires: T.Optional(T.String()),
  data: T.Object({
    _IDENTITY: T.String(),
    _IDENTITY_ID: T.String(),
    _APPLICATION: T.String(),
    organization: T.String(),
    'default-scope': T.String(),
    'default-team': T.String(),
    teams: Strings,
    'expires-at': T.Integer(),
    'created-on': T.Integer(),
  }),
});
export interface TokenClaims {
  readonly iss: typeof TOKEN_ISSUER;
  readonly sub: string;
  readonly aud: string | string[];
  readonly exp: number;
  readonly iat: number;
  readonly nbf?: number;
  readonly jti: string;
  readonly tenant: string;
  readonly sid: string;
  readonly username: string;
  readonly app: string;
  readonly roles: { readonly [protocol: string]: string[] };
  readonly scopes: string[];
  /** Only if Saga requested the token (Saga protocol page, 1.3): `expires` is `exp` as an ISO date. */
  readonly type?: 'access';
  readonly _id?: string;
  readonly expires?: string;
  readonly data: {
    readonly _IDENTITY: string;
    readonly _IDENTITY_ID: string;
    readonly _APPLICATION: string;
    readonly organization: string;
    readonly 'default-scope': string;
    readonly 'default-team': string;
    readonly teams: string[];
    readonly 'expires-at': number;
    readonly 'created-on': number;
  };
}

export const tokenClaims = check(T.Unsafe<TokenClaims>(TokenClaims));

/** The claims of a new token. Times in milliseconds since 1970. */
export function claimsOf(token: {
  readonly account: Account;
  readonly session: string;
  readonly app: string;
  readonly protocol: string;
  /** A unique id for the token. */
  readonly id: string;
  readonly issuedAt: number;
  readonly expiresAt: number;
}): TokenClaims {
  const { account, app, issuedAt, expiresAt } = token;
  return {
    iss: TOKEN_ISSUER,
    sub: account.id,
    aud: TOKEN_AUDIENCE,
    exp: Math.floor(expiresAt / 1_000),
    iat: Math.floor(issuedAt / 1_000),
    jti: token.id,
    tenant: account.tenant,
    sid: token.session,
    username: account.username,
    app,
    roles: account.roles,
    scopes: account.scopes,
    ...(token.protocol === 'saga'
      ? { type: 'access', _id: account.id, expires: new Date(Math.floor(expiresAt / 1_000) * 1_000).toISOString() }
      : {}),
    data: {
      _IDENTITY: account.username,
      _IDENTITY_ID: account.id,
      _APPLICATION: app,
      organization: account.tenant,
      'default-scope': account.defaultScope,
      'default-team': '',
      teams: [],
      'expires-at': expiresAt,
      'created-on': issuedAt,
    },
  };
}

/** The principal of a verified token. */
export function principalOf(claims: TokenClaims): Principal {
  return {
    account: claims.sub,
    tenant: claims.tenant,
    username: claims.username,
    app: claims.app,
    roles: claims.roles,
    defaultScope: claims.data['default-scope'],
    scopes: claims.scopes,
    session: claims.sid,
    // `iat` has whole seconds only: a token issued right after a revocation would seem older than the revocation.
    issuedAt: claims.data['created-on'],
    expiresAt: claims.exp * 1_000,
  };
}

/** Whether a revocation applies to this principal. */
export function revokes(revocation: Revocation, principal: Principal): boolean {
  if (revocation.account !== principal.account || principal.issuedAt >= revocation.before) return false;
  return revocation.session === undefined || revocation.session === principal.session;
}
