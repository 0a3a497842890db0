import assert from 'node:assert/strict';
import { test } from 'node:test';
import { accountsRevoked } from '@polyedge/contracts/bus/accounts';
import { until } from '@polyedge/testkit/until';
import { Client, connect, rest } from './client.ts';
import { startLoneEdge } from './lone.ts';

test('saga:4 a token that is revoked while the roles of its tenant are read is refused, on a socket and over REST', async () => {
  const held: (() => void)[] = [];
  await using edge = await startLoneEdge([], {}, () => new Promise((resolve) => held.push(resolve)));
  const accessToken = edge.token({ account: 'admin', tenant: 'late' });
  const client = new Client(connect(edge.url));
  const authenticated = client.send('authentication', { accessToken });
  const called = rest(edge.url, accessToken)('GET', '/bots/b');
  await until('both wait for the roles', () => held.length === 2);
  edge.bus.publish(accountsRevoked, {}, { account: 'admin', before: Date.now() + 60_000 });
  // What was published before has arrived when this has.
  await new Promise<void>((resolve) => {
    const own = edge.bus.subscribe(accountsRevoked, accountsRevoked.subject({}), ({ account }) => {
      if (account !== 'nobody') return;
      own.unsubscribe();
      resolve();
    });
    edge.bus.publish(accountsRevoked, {}, { account: 'nobody', before: 1 });
  });
  for (const go of held) go();
  const [ack, answer] = await Promise.all([authenticated, called]);
  assert.deepEqual([ack.status_code, ack.body.message, answer.status], [401, 'Invalid Token', 401]);
  client.close();
});
