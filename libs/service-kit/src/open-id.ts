/**
 * Tokens of an external OpenID provider. Its users are accounts `oidc:<sub>` of one configured tenant; roles are accepted only if the
 * provider is trusted for them.
 */
import { failed, type Outcome } from '@polyedge/contracts/errors';
import type { Principal } from '@polyedge/contracts/principal';
import type { JWTPayload } from 'jose';
import * as errors from 'jose/errors';
import { createRemoteJWKSet } from 'jose/jwks/remote';
import { jwtVerify } from 'jose/jwt/verify';
import { CannotStart } from './lifecycle.ts';
import { boolean, text, url } from './settings.ts';

export interface OpenIdOptions {
  readonly issuer: string;
  readonly jwksUrl: string;
  readonly audience: string;
  readonly tenant: string;
  readonly defaultScope: string;
  /** Use the roles in the claim `polyedge_roles`: an object of lists, by protocol. */
  readonly trustRoles: boolean;
}

/** The settings of an external provider. Issuer, keys and audience are set together, or none of them. */
export const openIdSettings = {
  openIdIssuer: url({
    env: 'POLYEDGE_OIDC_ISSUER',
    schemes: ['http', 'https'],
    optional: true,
    doc: 'The issuer of an external OpenID provider whose tokens are accepted; with it, its keys and the audience are required.',
  }),
  openIdJwksUrl: url({
    env: 'POLYEDGE_OIDC_JWKS_URL',
    schemes: ['http', 'https'],
    optional: true,
    doc: "The URL of that provider's keys.",
  }),
  openIdAudience: text({ env: 'POLYEDGE_OIDC_AUDIENCE', optional: true, doc: 'The required audience of its tokens.' }),
  openIdTenant: text({ env: 'POLYEDGE_OIDC_TENANT', default: 'default', doc: 'The tenant of its users.' }),
  openIdScope: text({ env: 'POLYEDGE_OIDC_SCOPE', default: 'default', doc: 'The default data scope of its users.' }),
  openIdTrustRoles: boolean({ env: 'POLYEDGE_OIDC_TRUST_ROLES', default: false, doc: 'Whether its claim `polyedge_roles` grants roles.' }),
};

/** The provider that the settings describe, or undefined. Throws `CannotStart` if they describe a part of one. */
export function openIdOf(config: {
  readonly openIdIssuer: string | undefined;
  readonly openIdJwksUrl: string | undefined;
  readonly openIdAudience: string | undefined;
  readonly openIdTenant: string;
  readonly openIdScope: string;
  readonly openIdTrustRoles: boolean;
}): OpenIdOptions | undefined {
  const { openIdIssuer, openIdJwksUrl, openIdAudience } = config;
  if (openIdIssuer === undefined && openIdJwksUrl === undefined && openIdAudience === undefined) return undefined;
  if (openIdIssuer === undefined || openIdJwksUrl === undefined || openIdAudience === undefined)
    throw new CannotStart('an OpenID provider needs POLYEDGE_OIDC_ISSUER, POLYEDGE_OIDC_JWKS_URL and POLYEDGE_OIDC_AUDIENCE');
  return {
    issuer: openIdIssuer,
    jwksUrl: openIdJwksUrl,
    audience: openIdAudience,
    tenant: config.openIdTenant,
    defaultScope: config.openIdScope,
    trustRoles: config.openIdTrustRoles,
  };
}

// Asymmetric only: with HS256 in the list, a provider's public key could be used as a shared secret.
const ALGORITHMS = ['EdDSA', 'Ed25519', 'ES256', 'ES384', 'ES512', 'PS256', 'PS384', 'PS512', 'RS256', 'RS384', 'RS512'];

/** Returns a function that verifies the provider's tokens. Keys are fetched on demand, at most every 30 s, and kept for 10 minutes. */
export function openIdVerifier(options: OpenIdOptions): (token: string) => Promise<Outcome<Principal>> {
  const keys = createRemoteJWKSet(new URL(options.jwksUrl), { timeoutDuration: 3_000, cooldownDuration: 30_000, cacheMaxAge: 600_000 });
  return async (token) => {
    try {
      const { payload } = await jwtVerify(token, keys, {
        algorithms: ALGORITHMS,
        issuer: options.issuer,
        audience: options.audience,
        requiredClaims: ['sub', 'exp', 'iat'],
        clockTolerance: 60,
      });
      return { ok: true, value: principalOf(payload, options) };
    } catch (error) {
      if (error instanceof errors.JWKSTimeout || !(error instanceof errors.JOSEError))
        return failed('unavailable', "the OpenID provider's keys cannot be fetched");
      return failed('unauthenticated', `the token is not valid (${error.code})`);
    }
  };
}

function principalOf(payload: JWTPayload, options: OpenIdOptions): Principal {
  const claim = (name: string): string | undefined => {
    const value = payload[name];
    return typeof value === 'string' && value !== '' ? value : undefined;
  };
  const subject = payload.sub ?? '';
  return {
    account: `oidc:${subject}`,
    tenant: options.tenant,
    username: claim('preferred_username') ?? claim('email') ?? subject,
    app: claim('azp') ?? claim('client_id') ?? '',
    roles: options.trustRoles ? rolesOf(payload.polyedge_roles) : {},
    defaultScope: options.defaultScope,
    scopes: [],
    session: `oidc:${claim('sid') ?? subject}`,
    issuedAt: (payload.iat ?? 0) * 1_000,
    expiresAt: (payload.exp ?? 0) * 1_000,
  };
}

function rolesOf(claim: unknown): Principal['roles'] {
  if (typeof claim !== 'object' || claim === null || Array.isArray(claim)) return {};
  return Object.fromEntries(
    Object.entries(claim).map(([protocol, list]: [string, unknown]) => [
      protocol,
      Array.isArray(list) ? list.filter((role): role is string => typeof role === 'string') : [],
    ]),
  );
}
