/** Access tokens from a key of the test's own, for an edge that is alone on the bus inside this process. */
import { generateKeyPairSync, sign } from 'node:crypto';
import { accountsKeys } from '@polyedge/contracts/bus/accounts';
import { done } from '@polyedge/contracts/errors';
import { claimsOf, TOKEN_TYPE } from '@polyedge/contracts/token-claims';
import type { LocalBus } from '@polyedge/service-kit/local-bus';

export interface TokenOptions {
  /** Also the name of the account. */
  readonly account?: string;
  readonly tenant?: string;
  /** By protocol. */
  readonly roles?: Record<string, string[]>;
  readonly protocol?: string;
  /** Less than nothing makes a token that has expired. */
  readonly lifetimeMs?: number;
}

/** Answers on the bus what graph-store would, about its keys. @returns makes a token */
export function tokenMaker(bus: LocalBus): (options?: TokenOptions) => string {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const { x } = publicKey.export({ format: 'jwk' });
  bus.respond(accountsKeys, async () => done({ keys: [{ kid: 'k1', kty: 'OKP', crv: 'Ed25519', x: x ?? '' }], revocations: [] }));
  let count = 0;
  return ({ account = 'acc1', tenant = 'acme', roles = {}, protocol = 'hiro', lifetimeMs = 600_000 } = {}) => {
    count += 1;
    const issuedAt = Date.now() + Math.min(0, 2 * lifetimeMs);
    const claims = claimsOf({
      account: { id: account, tenant, username: account, roles, defaultScope: 'scope1', scopes: [], disabled: false, attributes: {} },
      ...{ session: `s${count}`, app: 'test', protocol, id: `t${count}`, issuedAt, expiresAt: Date.now() + lifetimeMs },
    });
    const text = [{ alg: 'EdDSA', kid: 'k1', typ: TOKEN_TYPE }, claims]
      .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
      .join('.');
    return `${text}.${sign(null, Buffer.from(text), privateKey).toString('base64url')}`;
  };
}
