import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import {
  type Account,
  accountsKeys,
  accountsKeysChanged,
  accountsRevoked,
  type KeySet,
  type Revocation,
} from '@polyedge/contracts/bus/accounts';
import { done } from '@polyedge/contracts/errors';
import { claimsOf, type TokenClaims } from '@polyedge/contracts/token-claims';
import { type CryptoKey, exportJWK, generateKeyPair, SignJWT } from 'jose';
import { type LocalBus, localBus } from './local-bus.ts';
import { Verifier, type VerifierOptions } from './tokens.ts';

const account: Account = {
  id: 'a-1',
  tenant: 'default',
  username: 'ada',
  roles: { hiro: ['admin'] },
  defaultScope: 'scope-1',
  scopes: ['*'],
  disabled: false,
  attributes: {},
};

interface Signer {
  readonly kid: string;
  readonly key: CryptoKey;
  readonly jwk: KeySet['keys'][number];
}

async function signer(kid: string): Promise<Signer> {
  const { publicKey, privateKey } = await generateKeyPair('EdDSA', { extractable: true });
  const { kty, crv, x } = await exportJWK(publicKey);
  return { kid, key: privateKey, jwk: { kid, kty: kty ?? '', crv: crv ?? '', x: x ?? '' } };
}

function claims(change: Partial<TokenClaims> = {}): TokenClaims {
  const now = Date.now();
  return {
    ...claimsOf({ account, session: 's-1', app: 'tests', protocol: 'hiro', id: 'j-1', issuedAt: now, expiresAt: now + 600_000 }),
    ...change,
  };
}

const sign = (by: Signer, payload: TokenClaims, header: Record<string, unknown> = {}): Promise<string> =>
  new SignJWT({ ...payload }).setProtectedHeader({ alg: 'EdDSA', typ: 'at+jwt', kid: by.kid, ...header }).sign(by.key);

interface World {
  readonly bus: LocalBus;
  readonly verifier: Verifier;
  keySet: KeySet;
  asked: number;
}

/** A verifier with somebody who answers for the keys. */
async function world(by: Signer, options: Partial<VerifierOptions> = {}): Promise<World & AsyncDisposable> {
  const bus = localBus();
  const verifier = new Verifier({ bus, ...options });
  const built = {
    bus,
    verifier,
    keySet: { keys: [by.jwk], revocations: [] as Revocation[] },
    asked: 0,
    [Symbol.asyncDispose]: async () => {
      verifier.stop();
      await bus.close();
    },
  };
  bus.respond(accountsKeys, async () => {
    built.asked += 1;
    return done(built.keySet);
  });
  verifier.start();
  return built;
}

const codeOf = (outcome: Awaited<ReturnType<Verifier['verify']>>): string => (outcome.ok ? 'ok' : outcome.failure.code);

test('a token of ours gives its principal, with the default scope and milliseconds', async () => {
  const by = await signer('k1');
  await using it = await world(by);
  const payload = claims();
  const outcome = await it.verifier.verify(await sign(by, payload));
  assert.deepEqual(outcome, {
    ok: true,
    value: {
      account: 'a-1',
      tenant: 'default',
      username: 'ada',
      app: 'tests',
      roles: { hiro: ['admin'] },
      defaultScope: 'scope-1',
      scopes: ['*'],
      session: 's-1',
      issuedAt: payload.data['created-on'],
      expiresAt: payload.exp * 1_000,
    },
  });
  assert.equal(it.verifier.ready(), true);
});

test('wrong type, issuer, audience, algorithm, signature, claims, time and size are refused', async () => {
  const by = await signer('k1');
  const other = await signer('k1');
  await using it = await world(by);
  const seconds = Math.floor(Date.now() / 1_000);
  const hmac = await new SignJWT({ ...claims() }).setProtectedHeader({ alg: 'HS256', typ: 'at+jwt', kid: 'k1' }).sign(new Uint8Array(32));
  const none = `${Buffer.from('{"alg":"none","typ":"at+jwt","kid":"k1"}').toString('base64url')}.${Buffer.from(JSON.stringify(claims())).toString('base64url')}.`;
  const tokens = [
    await sign(by, claims(), { typ: 'JWT' }),
    await new SignJWT({ ...claims(), iss: 'somebody' }).setProtectedHeader({ alg: 'EdDSA', typ: 'at+jwt', kid: 'k1' }).sign(by.key),
    await sign(by, claims({ aud: ['somebody'] })),
    await sign(other, claims()),
    await sign(by, claims({ exp: seconds - 1 })),
    await sign(by, claims({ nbf: seconds + 120 })),
    await sign(by, claims({ data: { ...claims().data, 'created-on': Date.now() + 120_000 } })),
    await new SignJWT({ iss: 'polyedge', aud: 'polyedge', exp: seconds + 60, sub: 'a-1' })
      .setProtectedHeader({ alg: 'EdDSA', typ: 'at+jwt', kid: 'k1' })
      .sign(by.key),
    await sign(by, claims({ username: 'x'.repeat(9_000) })),
    hmac,
    none,
    '',
    'a.b.c',
  ];
  for (const token of tokens) assert.equal(codeOf(await it.verifier.verify(token)), 'unauthenticated', token.slice(0, 60));
});

test('a key that the token brings along is not used', async () => {
  const by = await signer('k1');
  const stranger = await signer('k9');
  await using it = await world(by);
  const token = await sign(stranger, claims(), { jwk: stranger.jwk, jku: 'http://127.0.0.1:1/keys' });
  assert.equal(codeOf(await it.verifier.verify(token)), 'unauthenticated');
});

test('many tokens with invented key ids cost one question', async () => {
  const by = await signer('k1');
  await using it = await world(by);
  await it.verifier.verify(await sign(by, claims()));
  const before = it.asked;
  const tokens = await Promise.all(Array.from({ length: 50 }, (_, n) => sign(by, claims(), { kid: `invented-${n}` })));
  const outcomes = await Promise.all(tokens.map((token) => it.verifier.verify(token)));
  assert.ok(outcomes.every((outcome) => codeOf(outcome) === 'unauthenticated'));
  assert.ok(it.asked - before <= 1);
});

test('a new key is found by asking, and a key that is gone takes its tokens along', async () => {
  const old = await signer('k1');
  const fresh = await signer('k2');
  let now = Date.now();
  await using it = await world(old, { now: () => now });
  const token = await sign(old, claims());
  assert.equal(codeOf(await it.verifier.verify(token)), 'ok');
  now += 3_000;
  it.keySet = { keys: [old.jwk, fresh.jwk], revocations: [] };
  assert.equal(codeOf(await it.verifier.verify(await sign(fresh, claims()))), 'ok');
  it.bus.publish(accountsKeysChanged, {}, { keys: [fresh.jwk], revocations: [] });
  await it.bus.flush(1_000);
  for (let turn = 0; turn < 100 && codeOf(await it.verifier.verify(token)) === 'ok'; turn += 1) await new Promise(setImmediate);
  assert.equal(codeOf(await it.verifier.verify(token)), 'unauthenticated');
});

test('a token whose key goes while it is being verified is not accepted afterwards', async () => {
  const by = await signer('k1');
  await using it = await world(by);
  assert.equal(codeOf(await it.verifier.verify(await sign(by, claims()))), 'ok');
  const token = await sign(by, claims({ jti: 'j-2' }));
  const verifying = it.verifier.verify(token);
  it.keySet = { keys: [], revocations: [] };
  it.bus.publish(accountsKeysChanged, {}, it.keySet);
  await it.bus.flush(1_000);
  await verifying;
  assert.equal(codeOf(await it.verifier.verify(token)), 'unauthenticated');
});

test('a revocation ends cached tokens of its login or account, notifies its listeners once, and spares later tokens', async () => {
  const by = await signer('k1');
  await using it = await world(by);
  const told: Revocation[] = [];
  it.verifier.onRevoked((revocation) => told.push(revocation));
  const one = await sign(by, claims());
  const two = await sign(by, claims({ sid: 's-2' }));
  assert.equal(codeOf(await it.verifier.verify(one)), 'ok');
  assert.equal(codeOf(await it.verifier.verify(two)), 'ok');
  const login = { account: 'a-1', session: 's-1', before: Date.now() + 1 };
  it.bus.publish(accountsRevoked, {}, login);
  await it.bus.flush(1_000);
  assert.equal(codeOf(await it.verifier.verify(one)), 'unauthenticated');
  assert.equal(codeOf(await it.verifier.verify(two)), 'ok');
  const all = { account: 'a-1', before: Date.now() + 1 };
  it.bus.publish(accountsKeysChanged, {}, { keys: [by.jwk], revocations: [login, all] });
  await it.bus.flush(1_000);
  for (let turn = 0; turn < 100 && told.length < 2; turn += 1) await new Promise(setImmediate);
  assert.deepEqual(told, [login, all]);
  assert.equal(codeOf(await it.verifier.verify(two)), 'unauthenticated');
  const later = all.before + 1;
  const third = claims({ data: { ...claims().data, 'created-on': later } });
  assert.equal(codeOf(await it.verifier.verify(await sign(by, third))), 'ok');
});

test('without keys a token is unavailable, not wrong', async () => {
  const by = await signer('k1');
  const bus = localBus();
  const verifier = new Verifier({ bus });
  assert.equal(codeOf(await verifier.verify(await sign(by, claims()))), 'unavailable');
  assert.notEqual(verifier.ready(), true);
  verifier.stop();
  await bus.close();
});

test("a configured OpenID provider's token becomes a principal of the configured tenant, with roles only when trusted", async () => {
  const { publicKey, privateKey } = await generateKeyPair('RS256');
  const jwk = { ...(await exportJWK(publicKey)), kid: 'o1', alg: 'RS256' };
  const server = createServer((_, response) => response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys: [jwk] })));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const issuer = 'https://id.example';
  const token = await new SignJWT({ preferred_username: 'grace', azp: 'web', polyedge_roles: { hiro: ['admin'] } })
    .setProtectedHeader({ alg: 'RS256', kid: 'o1' })
    .setIssuer(issuer)
    .setAudience('us')
    .setSubject('77')
    .setIssuedAt()
    .setExpirationTime('5m')
    .sign(privateKey);
  const by = await signer('k1');
  for (const trustRoles of [false, true]) {
    const openId = { issuer, jwksUrl: `http://127.0.0.1:${port}/`, audience: 'us', tenant: 'default', defaultScope: 'scope-1', trustRoles };
    await using it = await world(by, { openId });
    const outcome = await it.verifier.verify(token);
    assert.ok(outcome.ok);
    assert.equal(outcome.value.account, 'oidc:77');
    assert.equal(outcome.value.username, 'grace');
    assert.deepEqual(outcome.value.roles, trustRoles ? { hiro: ['admin'] } : {});
    await using strict = await world(by, { openId: { ...openId, audience: 'them' } });
    assert.equal(codeOf(await strict.verifier.verify(token)), 'unauthenticated');
  }
  server.close();
  server.closeAllConnections();
});

test('a token has one spelling: padding, white space and other last characters that mean the same bytes are refused', async () => {
  const ours = await signer('k-1');
  await using there = await world(ours);
  const token = await sign(ours, claims());
  assert.equal((await there.verifier.verify(token)).ok, true);
  const [header = '', payload = '', signature = ''] = token.split('.');
  // 64 bytes leave four bits of the last character unused.
  const last = String.fromCharCode(signature.charCodeAt(85) + 1);
  const others = [`${token}==`, `${token}=`, `${header}=.${payload}.${signature}`, `${header}.${payload}==.${signature}`, ` ${token}`];
  for (const other of [...others, `${token}\n`, `${token.slice(0, -1)}${last}`, `${token}.`, token.replaceAll('_', '/')]) {
    if (other === token) continue;
    const refused = await there.verifier.verify(other);
    assert.ok(!refused.ok && refused.failure.code === 'unauthenticated', JSON.stringify(other.slice(-20)));
  }
});
