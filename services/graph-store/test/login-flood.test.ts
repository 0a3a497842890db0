/** A flood of wrong logins: what it costs those who know their password, in hashes that they wait for. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, test } from 'node:test';
import { accountsCreate, accountsLogin } from '@polyedge/contracts/bus/accounts';
import { PATIENCE_MS, until } from '@polyedge/testkit/until';
import { freshId, type RunningStore, startStore, TENANT } from './running-store.ts';

let store: RunningStore;
before(async () => {
  const limits = { GRAPH_STORE_LOGIN_FAILURES_PER_ADDRESS: '100000', GRAPH_STORE_LOGIN_FAILURES_PER_ACCOUNT: '10' };
  store = await startStore(1, { ...limits, GRAPH_STORE_PASSWORD_COST: '15' });
});
after(() => store[Symbol.asyncDispose]());

const proofOf = (password: string): string => createHash('sha256').update(password).digest('hex');
/** @returns `ok`, or the code of its failure: `unauthenticated` is what only a hash can say */
const login = async (username: string, password: string, address: string, timeoutMs: number): Promise<string> => {
  const request = { username, proof: proofOf(password), protocol: 'hiro', app: 'test', address };
  const outcome = await store.bus.request(accountsLogin, accountsLogin.subject({}), request, { timeoutMs });
  return outcome.ok ? 'ok' : outcome.failure.code;
};

/** Hashes that run together. */
const UNDER_WAY = 3;
/** Those under way, one of each of the four addresses whose turn may be before, and as many whose answers are on their way. */
const BEFORE_IT = 2 * UNDER_WAY + 4;

/** Passwords that the store has hashed. */
async function hashed(): Promise<number> {
  const text = await (await fetch(store.replicas[0]?.metricsUrl ?? '')).text();
  const [, count] = /^logins_hashed_total\S* (\d+)/m.exec(text) ?? [];
  assert.ok(count !== undefined, text);
  return Number(count);
}

async function create(username: string): Promise<string> {
  const request = { username, proof: proofOf('right'), roles: {}, by: 'test' };
  const made = await store.bus.request(accountsCreate, accountsCreate.subject({ tenant: TENANT }), request, { timeoutMs: 30_000 });
  assert.ok(made.ok, JSON.stringify(made));
  return username;
}

test('during a flood of wrong logins from some addresses a login from another one waits for a few hashes and not for theirs', async (t) => {
  const good: string[] = [];
  for (let n = 0; n < 12; n += 1) good.push(await create(freshId('good')));
  let flooding = true;
  let tried = 0;
  let wrong = 0;
  // Each waits for as long as a client does, and comes again: more than the cores can hash, with names that nobody has and one that somebody has.
  const flood = Array.from({ length: 120 }, async (_, n) => {
    while (flooding) {
      tried += 1;
      // Who is refused at once comes again as fast as a network lets him.
      await new Promise((resolve) => setTimeout(resolve, 20));
      const outcome = await login(n % 3 === 0 ? (good[0] ?? '') : freshId('nobody'), 'wrong', `10.0.0.${n % 4}`, 10_000);
      if (outcome === 'unauthenticated') wrong += 1;
    }
  });
  /** How many of the others were hashed while a login with the right password waited. */
  const hashedBefore = async (username: string): Promise<number> => {
    const before = wrong;
    assert.equal(await login(username, 'right', '192.0.2.1', PATIENCE_MS), 'ok');
    return wrong - before;
  };
  await until('the flood is there', () => wrong >= 10);
  const waited: number[] = [];
  for (const username of good.slice(1, 11)) waited.push(await hashedBefore(username));
  flooding = false;
  waited.push(await hashedBefore(good[11] ?? ''));
  await Promise.all(flood);
  t.diagnostic(`${tried} wrong logins, ${wrong} of them hashed; good ones waited for ${waited.join(', ')}`);
  assert.ok(Math.max(...waited) <= BEFORE_IT, waited.join());
});

test('logins whose callers have gone are not hashed', async () => {
  const username = await create(freshId('good'));
  // As many as the queue takes, and their callers give up before most of them had a turn.
  await Promise.all(Array.from({ length: 60 }, (_, n) => login(freshId('nobody'), 'wrong', `10.0.1.${n}`, 300)));
  const before = await hashed();
  // The first of them was served, so his network is last.
  assert.equal(await login(username, 'right', '10.0.1.0', PATIENCE_MS), 'ok');
  const more = (await hashed()) - before;
  assert.ok(more <= UNDER_WAY + 1, `${more} were hashed when their callers had gone`);
});
