import assert from 'node:assert/strict';
import { test } from 'node:test';
import { graphPosition } from '@polyedge/contracts/bus/feed';
import { done, failed, type Outcome } from '@polyedge/contracts/errors';
import type { Principal } from '@polyedge/contracts/principal';
import { localBus } from '@polyedge/service-kit/local-bus';
import { openRecovery } from './recovery.ts';

const principal: Principal = {
  ...{ account: 'u1', tenant: 'acme', username: 'ann', app: 'saga', roles: {}, defaultScope: 's', scopes: [], session: 's' },
  ...{ issuedAt: 0, expiresAt: 2_000_000_000 },
};

test('a session whose token is revoked while it is looked for is not resumed', async () => {
  const bus = localBus();
  let verified: Outcome<Principal> = done(principal);
  bus.respond(graphPosition, async () => {
    if (revokes) verified = failed('unauthenticated', 'the token was revoked');
    return done({ epoch: 'e', seq: 9, oldest: 1, partitions: 16 });
  });
  let revokes = false;
  const { recovery, close } = openRecovery({ bus, keepMs: 60_000, requestTimeoutMs: 5000, verify: async () => verified });
  const persist = (pid: string) => recovery.persist({ sid: 'sid', pid, data: { parting: () => ({ token: 't', rooms: [] }) } });
  persist('kept');
  assert.equal((await recovery.restore('kept', '5.e'))?.sid, 'sid');
  persist('revoked');
  revokes = true;
  assert.equal(await recovery.restore('revoked', '5.e'), null);
  close();
  await bus.close();
});
