/** hiro-edge alone, on the bus inside this process: for what it does before and without graph-store. Tokens come from a key of the test's own. */
import { generateKeyPairSync, sign } from 'node:crypto';
import { accountsKeys, accountsRevoked } from '@polyedge/contracts/bus/accounts';
import { done } from '@polyedge/contracts/errors';
import { claimsOf, TOKEN_TYPE } from '@polyedge/contracts/token-claims';
import { readConfig } from '@polyedge/service-kit/config';
import { type LocalBus, localBus } from '@polyedge/service-kit/local-bus';
import { silentLog } from '@polyedge/service-kit/log';
import { noMetrics } from '@polyedge/service-kit/metrics';
import { startHiroEdge } from '../src/app.ts';
import { settings } from '../src/config.ts';

export interface LoneEdge extends AsyncDisposable {
  readonly port: number;
  readonly bus: LocalBus;
  token(over?: { readonly account?: string; readonly lifetimeMs?: number }): string;
  /** Revokes everything an account was given. */
  revoke(account: string): void;
  drain(): Promise<void>;
}

export async function startLoneEdge(env: Readonly<Record<string, string>> = {}): Promise<LoneEdge> {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const { x } = publicKey.export({ format: 'jwk' });
  const bus = localBus();
  bus.respond(accountsKeys, async () => done({ keys: [{ kid: 'k1', kty: 'OKP', crv: 'Ed25519', x: x ?? '' }], revocations: [] }));
  const read = readConfig('hiro-edge', settings, { POLYEDGE_MODE: 'local', PORT: '0', ...env });
  if (!read.ok) throw new Error(read.problems.join('\n'));
  const edge = await startHiroEdge(read.config, { log: silentLog, metrics: noMetrics(), ready: () => true, instance: 'lone' }, bus);
  const until = Date.now() + 5000;
  while (edge.ready() !== true) {
    if (Date.now() > until) throw new Error(`not ready: ${edge.ready()}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
  let count = 0;
  return {
    port: edge.port,
    bus,
    token: ({ account = 'acc1', lifetimeMs = 600_000 } = {}) => {
      count += 1;
      const issuedAt = Date.now();
      const claims = claimsOf({
        account: {
          id: account,
          tenant: 'acme',
          username: account,
          roles: {},
          defaultScope: 'scope1',
          scopes: [],
          disabled: false,
          attributes: {},
        },
        ...{ session: `s${count}`, app: 'test', protocol: 'hiro', id: `t${count}`, issuedAt, expiresAt: issuedAt + lifetimeMs },
      });
      const text = [{ alg: 'EdDSA', kid: 'k1', typ: TOKEN_TYPE }, claims]
        .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
        .join('.');
      return `${text}.${sign(null, Buffer.from(text), privateKey).toString('base64url')}`;
    },
    revoke: (account) => bus.publish(accountsRevoked, {}, { account, before: Date.now() + 1 }),
    drain: () => edge.drain(),
    [Symbol.asyncDispose]: async () => {
      await edge.stop();
      await bus.close();
    },
  };
}
