import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { pricingToken, tokenKey } from './pricing-token.ts';

const key = tokenKey('a secret of the installation', 'and its salt');
const NOW = 1_700_000_000_500;
const times = { now: NOW, lifetimeMs: 3_600_000, contractEnd: NOW + 86_400_000 };
const claims = (sub: string) => ({ sub, features: { 'zoom-chat': { eval: true } }, pricingContext: {}, subscriptionContext: {} });

/** How SPACE's React client reads a token. */
const read = (token: string) => JSON.parse(atob(token.split('.')[1] ?? ''));

test('space:33 the key of tokens is the derived one, 32 bytes long', () => {
  assert.equal(tokenKey('secret', 'salt').toString('hex'), '3fa094211c0cf2ed1d332ab43adc69aab469f0e0f2cae6345c81bb874eef3f9e');
  const [header = '', payload = '', signature] = pricingToken(claims('ada'), key, times).split('.');
  assert.deepEqual(JSON.parse(atob(header)), { alg: 'HS256' });
  assert.equal(signature, createHmac('sha256', key).update(`${header}.${payload}`).digest('base64url'));
});

test('space:33 a token holds for its lifetime, and never longer than the contract', () => {
  assert.deepEqual(read(pricingToken(claims('ada'), key, times)), { ...claims('ada'), iat: 1_700_000_000, exp: 1_700_003_600 });
  assert.equal(read(pricingToken(claims('ada'), key, { ...times, contractEnd: NOW + 90_000 })).exp, 1_700_000_090);
});

test('space:33 atob reads every token, whatever is in it', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (sub) => {
      const token = pricingToken(claims(`${sub}??>>~~\u007f\u00ff`), key, times);
      assert.match(token.split('.')[1] ?? '', /^[A-Za-z0-9]*$/);
      assert.equal(read(token).sub, `${sub}??>>~~\u007f\u00ff`);
    }),
  );
});
