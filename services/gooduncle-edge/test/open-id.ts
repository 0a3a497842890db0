/** An outside OpenID provider: a key of its own, published over HTTP. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';

export interface Provider extends AsyncDisposable {
  /** Settings of an edge that trusts it. */
  readonly env: Readonly<Record<string, string>>;
  token(options: {
    readonly sub: string;
    readonly roles: readonly string[];
    readonly forMs: number;
    readonly forged?: boolean;
  }): Promise<string>;
}

export async function startProvider(): Promise<Provider> {
  const [own, other] = await Promise.all([generateKeyPair('ES256'), generateKeyPair('ES256')]);
  const jwk = { ...(await exportJWK(own.publicKey)), kid: 'k1', alg: 'ES256' };
  const server = createServer((_request, response) => response.end(JSON.stringify({ keys: [jwk] })));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    env: {
      POLYEDGE_OIDC_ISSUER: url,
      POLYEDGE_OIDC_JWKS_URL: `${url}/keys`,
      POLYEDGE_OIDC_AUDIENCE: 'shop',
      POLYEDGE_OIDC_TRUST_ROLES: 'true',
    },
    token: ({ sub, roles, forMs, forged = false }) =>
      new SignJWT({ polyedge_roles: { gooduncle: roles }, preferred_username: sub })
        .setProtectedHeader({ alg: 'ES256', kid: 'k1' })
        .setIssuer(url)
        .setAudience('shop')
        .setSubject(sub)
        .setIssuedAt(new Date())
        // Whole seconds are all that a token can say: it ends with the one that `forMs` reaches into.
        .setExpirationTime(new Date(Date.now() + forMs))
        .sign(forged ? other.privateKey : own.privateKey),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
