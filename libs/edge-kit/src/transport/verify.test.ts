import assert from 'node:assert/strict';
import { test } from 'node:test';
import { done } from '@polyedge/contracts/errors';
import type { Principal } from '@polyedge/contracts/principal';
import { ManualClock } from '../testing/manual-clock.ts';
import { Wheel } from '../wheel.ts';
import { verify } from './verify.ts';

const ANN: Principal = {
  account: 'ann',
  tenant: 't',
  username: 'ann',
  app: 'a',
  roles: {},
  defaultScope: '',
  scopes: [],
  session: '',
  issuedAt: 0,
  expiresAt: 1,
};

test('a credential that is not verified in time, or fails unexpectedly, is a failure of its handshake alone', async () => {
  const clock = new ManualClock();
  const wheel = new Wheel(clock);
  const failureOf = async (outcome: ReturnType<typeof verify>) => {
    const verified = await outcome;
    return verified.ok ? 'ok' : verified.failure.code;
  };
  assert.deepEqual(verify({ wheel, verify: () => done(ANN) }, 'x', ''), done(ANN));
  assert.equal(await failureOf(verify({ wheel, verify: async () => done(ANN) }, 'x', '')), 'ok');
  assert.equal(await failureOf(verify({ wheel, verify: () => Promise.reject(new Error('a bug')) }, 'x', '')), 'internal');
  const late = verify({ wheel, verify: () => new Promise<never>(() => {}) }, 'x', '');
  clock.advance(6000);
  assert.equal(await failureOf(late), 'unavailable');
});
