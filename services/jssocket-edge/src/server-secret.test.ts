import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '@polyedge/edge-kit/testing/manual-clock';
import { DEFAULT_AUTH, DEFAULT_SECRET, readAuth, ServerSecret } from './server-secret.ts';

/** A secret on a clock that stands still, so that no turn comes too late, and how a text is checked for an address. */
function started(maxFailures = 1000) {
  const secret = new ServerSecret(readAuth(DEFAULT_AUTH) ?? '', { maxFailures, windowMs: 60_000 }, new ManualClock());
  const check = (text: string, address: string, gone?: () => boolean) => secret.check(Buffer.from(text), address, gone);
  return { counts: secret.counts, check };
}

test('jssocket:9 nothing is hashed for callers that have left', async () => {
  const { counts, check } = started();
  const first = check('wrong', '1.1.1.1');
  const others = Array.from({ length: 20 }, (_, at) => check(`wrong ${at}`, '1.1.1.1', () => true));
  assert.deepEqual([await first, ...new Set(await Promise.all(others))], ['wrong', 'busy']);
  assert.equal(counts.checked, 1);
});

test('jssocket:9 a flood of wrong secrets from some networks does not hold up a core of another', async () => {
  const { counts, check } = started();
  let opened = false;
  // All addresses of one /64 are one network.
  const flood = Array.from({ length: 100 }, (_, at) => check(`wrong ${at}`, `2001:db8::${at}`, () => opened));
  assert.equal(await check(DEFAULT_SECRET, '9.9.9.9'), 'right');
  opened = true;
  assert.ok(counts.checked <= 3, `it waited for ${counts.checked} hashes`);
  await Promise.all(flood);
  assert.equal(await check(DEFAULT_SECRET, '2001:db8::1'), 'right', 'a secret that was right once is not hashed again');
});

test('jssocket:44 wrong secrets count for a network, and the next one is not hashed', async () => {
  const { counts, check } = started(1);
  assert.deepEqual([await check('wrong', '2001:db8::1'), await check('wrong', '2001:db8::2')], ['wrong', 'refused']);
  assert.equal(counts.checked, 1);
});
