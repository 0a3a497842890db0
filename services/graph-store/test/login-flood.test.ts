/** A flood of wrong logins: what it costs those who know their password. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, test } from 'node:test';
import { accountsCreate, accountsLogin } from '@polyedge/contracts/bus/accounts';
import { freshId, type RunningStore, startStore, TENANT } from './running-store.ts';

let store: RunningStore;
before(async () => {
  store = await startStore(1, { GRAPH_STORE_LOGIN_FAILURES_PER_ADDRESS: '100000', GRAPH_STORE_LOGIN_FAILURES_PER_ACCOUNT: '10' });
});
after(() => store[Symbol.asyncDispose]());

const proofOf = (password: string): string => createHash('sha256').update(password).digest('hex');
const login = async (username: string, password: string, address: string, timeoutMs: number) => {
  const startedAt = performance.now();
  const request = { username, proof: proofOf(password), protocol: 'hiro', app: 'test', address };
  const { ok } = await store.bus.request(accountsLogin, accountsLogin.subject({}), request, { timeoutMs });
  return { ok, ms: performance.now() - startedAt };
};

async function create(username: string): Promise<string> {
  const request = { username, proof: proofOf('right'), roles: {}, by: 'test' };
  const made = await store.bus.request(accountsCreate, accountsCreate.subject({ tenant: TENANT }), request, { timeoutMs: 30_000 });
  assert.ok(made.ok, JSON.stringify(made));
  return username;
}

test('during a flood of wrong logins from some addresses a login from another one gets through, and at once when it ends', async (t) => {
  const good: string[] = [];
  for (let n = 0; n < 20; n += 1) good.push(await create(freshId('good')));
  // On a machine that is busy with other things a hash takes its time: that is measured, and allowed for.
  const alone = await login(good[12] ?? '', 'right', '192.0.2.1', 10_000);
  const soonMs = Math.max(2000, 15 * alone.ms);
  let flooding = true;
  let tried = 0;
  // Each waits for as long as a client does, and comes again: more than the cores can hash, with names that nobody has and one that somebody has.
  const flood = Array.from({ length: 120 }, async (_, n) => {
    while (flooding) {
      tried += 1;
      // Who is refused at once comes again as fast as a network lets him.
      await new Promise((resolve) => setTimeout(resolve, 20));
      await login(n % 3 === 0 ? (good[0] ?? '') : freshId('nobody'), 'wrong', `10.0.0.${n % 4}`, 10_000);
    }
  });
  const took: number[] = [];
  for (const username of good.slice(1, 11)) {
    const { ok, ms } = await login(username, 'right', '192.0.2.1', 10_000);
    took.push(ok ? ms : Number.POSITIVE_INFINITY);
  }
  flooding = false;
  const afterwards = await login(good[11] ?? '', 'right', '192.0.2.1', 10_000);
  await Promise.all(flood);
  t.diagnostic(`${tried} wrong logins; good ones took ${took.map(Math.round).join(', ')} ms, afterwards ${Math.round(afterwards.ms)} ms`);
  assert.ok(took.filter((ms) => ms < soonMs).length >= 9, took.map(Math.round).join());
  assert.ok(afterwards.ok && afterwards.ms < soonMs, `${afterwards.ms}`);
});

test('logins whose callers have gone are not hashed', async () => {
  const username = await create(freshId('good'));
  // As many as the queue takes, and their callers give up before most of them had a turn.
  await Promise.all(Array.from({ length: 60 }, (_, n) => login(freshId('nobody'), 'wrong', `10.0.1.${n}`, 300)));
  const { ok, ms } = await login(username, 'right', '10.0.1.0', 10_000);
  assert.ok(ok && ms < 3000, `the next login took ${Math.round(ms)} ms`);
});
