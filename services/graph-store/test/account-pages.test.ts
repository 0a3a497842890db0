/** Lists of accounts over NATS, however many there are. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, test } from 'node:test';
import { type Account, accountsCreate, accountsFailedLogins, accountsGet, accountsLogin } from '@polyedge/contracts/bus/accounts';
import type { RequestOf } from '@polyedge/contracts/channel';
import { freshId, type RunningStore, startStore, TENANT } from './running-store.ts';

const IN_TIME = { timeoutMs: 30_000 };
const proof = createHash('sha256').update('right').digest('hex');

let store: RunningStore;
before(async () => {
  store = await startStore(1, { POLYEDGE_ADMIN_PASSWORD: 'the-admins-password' });
});
after(() => store[Symbol.asyncDispose]());

async function create(username: string): Promise<Account> {
  const reply = await store.bus.request(
    accountsCreate,
    accountsCreate.subject({ tenant: TENANT }),
    { username, proof, roles: {}, by: 'test' },
    IN_TIME,
  );
  assert.ok(reply.ok, JSON.stringify(reply));
  return reply.value;
}

/** All pages of a list. */
async function listed(request: RequestOf<typeof accountsGet>): Promise<string[]> {
  const ids: string[] = [];
  for (let last: string | undefined; ; last = ids.at(-1)) {
    const page = { ...request, ...(last === undefined ? {} : { after: last }) };
    const reply = await store.bus.request(accountsGet, accountsGet.subject({ tenant: TENANT }), page, IN_TIME);
    assert.ok(reply.ok, JSON.stringify(reply));
    if (reply.value.accounts.length === 0) return ids;
    ids.push(...reply.value.accounts.map(({ id }) => id));
  }
}

test('accounts are listed in pages, each once, and those with a text in their names in any case', async () => {
  const word = freshId('Needle').replace('-', '%');
  const made = [];
  for (let n = 0; n < 7; n += 1) made.push(await create(n % 2 === 0 ? `${n} ${word}` : freshId('hay')));
  const named = made.filter((_, n) => n % 2 === 0).map(({ id }) => id);
  const all = await listed({ limit: 2 });
  assert.equal(new Set(all).size, all.length);
  assert.deepEqual(all, all.toSorted());
  for (const { id } of made) assert.ok(all.includes(id));
  for (const text of [word, word.toUpperCase()]) assert.deepEqual(await listed({ limit: 2, text }), named.toSorted(), text);
  assert.deepEqual(await listed({ text: freshId('nobody') }), []);
});

test('failed logins are counted of all accounts, or of some', async () => {
  const accounts = [await create(freshId('guessed')), await create(freshId('guessed'))];
  for (const { username } of accounts) {
    const guess = { username, proof: createHash('sha256').update('wrong').digest('hex'), protocol: 'hiro', app: 'test' };
    await store.bus.request(accountsLogin, accountsLogin.subject({}), { ...guess, address: freshId('address') }, IN_TIME);
  }
  const counted = async (request: RequestOf<typeof accountsFailedLogins>): Promise<string[]> => {
    const reply = await store.bus.request(accountsFailedLogins, accountsFailedLogins.subject({ tenant: TENANT }), request, IN_TIME);
    assert.ok(reply.ok, JSON.stringify(reply));
    return reply.value.accounts.map(({ account }) => account).toSorted();
  };
  const ids = accounts.map(({ id }) => id);
  assert.deepEqual(await counted({}), ids.toSorted());
  assert.deepEqual(await counted({ ids: ids.slice(1) }), ids.slice(1));
  assert.deepEqual(await counted({ ids: [] }), []);
});
