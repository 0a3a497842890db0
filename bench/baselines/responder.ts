/**
 * Stands in for graph-store when only an edge is measured: answers `graph.get` with one element of 256 B of data for any id, and publishes
 * the key of the token it signed. Argument: the NATS URL.
 */
import { generateKeyPairSync, sign } from 'node:crypto';
import { accountsKeys } from '@polyedge/contracts/bus/accounts';
import { graphPosition } from '@polyedge/contracts/bus/feed';
import { graphGet } from '@polyedge/contracts/bus/graph';
import type { Element } from '@polyedge/contracts/element';
import { done } from '@polyedge/contracts/errors';
import { claimsOf, TOKEN_TYPE } from '@polyedge/contracts/token-claims';
import { seededText } from '../lib/options.ts';
import { connectBus, TENANT } from '../lib/store-client.ts';

const [url = '', seed = '1'] = process.argv.slice(2);
const bus = await connectBus(url);
const { publicKey, privateKey } = generateKeyPairSync('ed25519');
const text = seededText(256, Number(seed));
const on = Date.now();
const stamp = { on, by: 'bench', app: 'bench' };

bus.respond(accountsKeys, async () => {
  const { x } = publicKey.export({ format: 'jwk' });
  return done({ keys: [{ kid: 'k1', kty: 'OKP', crv: 'Ed25519', x: x ?? '' }], revocations: [] });
});
bus.respond(graphPosition, async () => done({ epoch: 'bench', seq: 0, oldest: 1, partitions: 16 }));
bus.respond(graphGet, async ({ ids }) =>
  done({
    epoch: 'bench',
    seq: 1,
    elements: ids.map((id): Element | null => ({
      ...{ tenant: TENANT, id, kind: 'vertex', type: 'ogit/Bench', scope: 'scope', attributes: { 'ogit/name': text } },
      ...{ version: 1, seq: 1, created: stamp, modified: stamp, deleted: false },
    })),
  }),
);

const account = {
  id: 'bench',
  tenant: TENANT,
  username: 'bench',
  roles: { hiro: ['admin'] },
  defaultScope: 'scope',
  scopes: ['*'],
  disabled: false,
  attributes: {},
};
const claims = claimsOf({ account, session: 's', app: 'bench', protocol: 'hiro', id: 't', issuedAt: on, expiresAt: on + 3_600_000 });
const signed = [{ alg: 'EdDSA', kid: 'k1', typ: TOKEN_TYPE }, claims]
  .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
  .join('.');
await bus.flush(5000);
process.send?.({ token: `${signed}.${sign(null, Buffer.from(signed), privateKey).toString('base64url')}` });
process.on('SIGTERM', () => void bus.close().then(() => process.exit(0)));
// It receives no messages, but the channel keeps it from outliving its parent.
process.on('message', () => {});
process.on('disconnect', () => process.exit(0));
