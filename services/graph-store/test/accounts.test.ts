/** The directory over NATS, on two replicas: logins, their limits, tokens, revocation; and that no secret leaves its tables. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import {
  type Account,
  accountsChanged,
  accountsCreate,
  accountsDelete,
  accountsFailedLogins,
  accountsGet,
  accountsKeys,
  accountsLogin,
  accountsRefresh,
  accountsRevoke,
  accountsRevoked,
  accountsUpdate,
  type Revocation,
  type TokenSet,
} from '@polyedge/contracts/bus/accounts';
import { graphGet, graphQuery } from '@polyedge/contracts/bus/graph';
import { connectRedis } from '@polyedge/journal/redis';
import { until } from '@polyedge/testkit/until';
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose';
import { freshId, type RunningStore, startStore, TENANT } from './running-store.ts';

const ADMIN = { username: 'admin', password: 'the-admins-password' };
let store: RunningStore;
/** Everything that was said on the bus, as one text. */
let heard = '';

before(async () => {
  store = await startStore(2, {
    POLYEDGE_ADMIN_PASSWORD: ADMIN.password,
    GRAPH_STORE_LOGIN_FAILURES_PER_ACCOUNT: '4',
    GRAPH_STORE_LOGIN_FAILURES_PER_ADDRESS: '15',
  });
});
after(() => store[Symbol.asyncDispose]());

const proofOf = (password: string): string => createHash('sha256').update(password).digest('hex');
const context = { protocol: 'hiro', app: 'test', address: '10.0.0.1' };
const login = (username: string, password: string, address = freshId('address'), protocol = context.protocol) =>
  store.bus.request(
    accountsLogin,
    accountsLogin.subject({}),
    { username, proof: proofOf(password), ...context, address, protocol },
    { timeoutMs: 30_000 },
  );
const refreshOf = (protocol: string, refreshToken: string) =>
  store.bus.request(accountsRefresh, accountsRefresh.subject({}), { refreshToken, ...context, protocol }, { timeoutMs: 30_000 });
const refresh = (refreshToken: string) => refreshOf('hiro', refreshToken);

async function loggedIn(username: string, password: string, protocol = context.protocol): Promise<TokenSet> {
  const reply = await login(username, password, undefined, protocol);
  assert.ok(reply.ok, JSON.stringify(reply));
  return reply.value;
}

async function create(username: string, password: string): Promise<Account> {
  const request = { username, proof: proofOf(password), roles: { hiro: ['user'] }, by: 'test' };
  const reply = await store.bus.request(accountsCreate, accountsCreate.subject({ tenant: TENANT }), request, { timeoutMs: 30_000 });
  assert.ok(reply.ok, JSON.stringify(reply));
  return reply.value;
}

test('the administrator of the first start logs in, and the token verifies with the published keys', async () => {
  const { accessToken, account, expiresAt } = await loggedIn(ADMIN.username.toUpperCase(), ADMIN.password);
  const keys = await store.bus.request(accountsKeys, accountsKeys.subject({}), {}, { timeoutMs: 30_000 });
  assert.ok(keys.ok);
  assert.ok(
    keys.value.keys.every((key) => !('d' in key)),
    'the private part is never published',
  );
  const { payload } = await jwtVerify(accessToken, createLocalJWKSet({ keys: keys.value.keys } as unknown as JSONWebKeySet));
  assert.equal(payload.sub, account.id);
  assert.ok(Math.abs(expiresAt - Date.now() - 600_000) < 10_000);
});

test('a wrong password, an unknown name and a disabled account get the same answer', async () => {
  const account = await create(freshId('user'), 'right');
  const replies = [await login(account.username, 'wrong'), await login(freshId('nobody'), 'wrong')];
  const disable = { id: account.id, disabled: true, by: 'test' };
  assert.ok((await store.bus.request(accountsUpdate, accountsUpdate.subject({ tenant: TENANT }), disable, { timeoutMs: 30_000 })).ok);
  replies.push(await login(account.username, 'right'));
  for (const reply of replies) assert.deepEqual(reply, replies[0]);
  assert.ok(replies[0] !== undefined && !replies[0].ok && replies[0].failure.code === 'unauthenticated');
});

test('failures are counted per account over both replicas, also when they come all at once', async () => {
  const account = await create(freshId('guessed'), 'right');
  const replies = await Promise.all(Array.from({ length: 40 }, () => login(account.username, 'wrong')));
  const tried = replies.filter((reply) => !reply.ok && reply.failure.code === 'unauthenticated').length;
  assert.ok(tried >= 4 && tried <= 10, `${tried} guesses were tried`);
  const right = await login(account.username, 'right');
  assert.ok(!right.ok && right.failure.code === 'limited' && (right.failure.retryAfterMs ?? 0) > 0);
});

test('failures are counted for an account however its name is written', async () => {
  const { username } = await create(freshId('guessed'), 'right');
  const spellings = [username, username.toUpperCase(), `G${username.slice(1)}`, `gU${username.slice(2)}`];
  for (const spelling of spellings) assert.equal((await login(spelling, 'wrong')).ok, false);
  const right = await login(`guE${username.slice(3)}`, 'right');
  assert.ok(!right.ok && right.failure.code === 'limited', JSON.stringify(right));
});

test('failures are counted per address', async () => {
  const address = freshId('address');
  for (let n = 0; n < 15; n += 1) await login(freshId('nobody'), 'wrong', address);
  const account = await create(freshId('user'), 'right');
  const reply = await login(account.username, 'right', address);
  assert.equal(reply.ok ? undefined : reply.failure.code, 'limited');
  assert.ok((await login(account.username, 'right')).ok);
});

test('many logins with the right password at once all succeed', async () => {
  const account = await create(freshId('busy'), 'right');
  const replies = await Promise.all(Array.from({ length: 12 }, () => login(account.username, 'right')));
  assert.ok(replies.every(({ ok }) => ok));
});

test("a refresh token works once; used again it ends its login and nobody else's", async () => {
  const account = await create(freshId('user'), 'right');
  const [first, other] = [await loggedIn(account.username, 'right'), await loggedIn(account.username, 'right')];
  const second = await refresh(first.refreshToken);
  assert.ok(second.ok);
  const revocations: Revocation[] = [];
  store.bus.subscribe(accountsRevoked, accountsRevoked.pattern({}), (revocation) => revocations.push(revocation));
  await store.bus.flush(2000);
  const reused = await refresh(first.refreshToken);
  assert.equal(reused.ok ? undefined : reused.failure.code, 'unauthenticated');
  assert.equal((await refresh(second.value.refreshToken)).ok, false, 'what came from it is over too');
  assert.ok((await refresh(other.refreshToken)).ok);
  await until('the revocation is told', () =>
    revocations.some((revocation) => revocation.account === account.id && revocation.session !== undefined),
  );
});

test('saga:5 a client of Saga that has not received the answer to its refresh gets the same refresh token again, for a minute', async () => {
  const account = await create(freshId('user'), 'right');
  const { refreshToken } = await loggedIn(account.username, 'right', 'saga');
  const lost = await refreshOf('saga', refreshToken);
  const again = await refreshOf('saga', refreshToken);
  assert.ok(lost.ok && again.ok, JSON.stringify(again));
  assert.equal(again.value.refreshToken, lost.value.refreshToken);
  await store.sql`update refresh_token set used_on = used_on - 60000 where account = ${account.id}`;
  const late = await refreshOf('saga', refreshToken);
  assert.equal(late.ok ? undefined : late.failure.code, 'unauthenticated');
  assert.equal((await refreshOf('saga', again.value.refreshToken)).ok, false, 'what came from it is over too');
});

test('saga:5 a refresh of Saga whose new token could not be stored can be repeated', async () => {
  const account = await create(freshId('user'), 'right');
  const { refreshToken } = await loggedIn(account.username, 'right', 'saga');
  assert.ok((await refreshOf('saga', refreshToken)).ok);
  await store.sql`delete from refresh_token where account = ${account.id} and used_on is null`;
  const again = await refreshOf('saga', refreshToken);
  assert.ok(again.ok, JSON.stringify(again));
  assert.ok((await refreshOf('saga', again.value.refreshToken)).ok);
});

test('of two that refresh with one token at once, at most one gets tokens', async () => {
  const account = await create(freshId('user'), 'right');
  const { refreshToken } = await loggedIn(account.username, 'right');
  const replies = await Promise.all(Array.from({ length: 6 }, () => refresh(refreshToken)));
  assert.ok(replies.filter(({ ok }) => ok).length <= 1);
});

test('saga:5 many that refresh in Saga with one token at once get the same refresh token', async () => {
  const account = await create(freshId('user'), 'right');
  const { refreshToken } = await loggedIn(account.username, 'right', 'saga');
  const replies = await Promise.all(Array.from({ length: 6 }, () => refreshOf('saga', refreshToken)));
  assert.equal(new Set(replies.map((reply) => (reply.ok ? reply.value.refreshToken : reply.failure.code))).size, 1);
  const [first] = replies;
  assert.ok(first?.ok && (await refreshOf('saga', first.value.refreshToken)).ok);
});

test('a weighty change of an account revokes its tokens; edges can ask for all revocations', async () => {
  const account = await create(freshId('user'), 'right');
  const { refreshToken } = await loggedIn(account.username, 'right');
  const revoked: string[] = [];
  store.bus.subscribe(accountsRevoked, accountsRevoked.pattern({}), (revocation) => revoked.push(revocation.account));
  await store.bus.flush(2000);
  const update = (change: object) =>
    store.bus.request(
      accountsUpdate,
      accountsUpdate.subject({ tenant: TENANT }),
      { id: account.id, by: 'test', ...change },
      { timeoutMs: 30_000 },
    );
  assert.ok((await update({ attributes: { colour: 'red' } })).ok);
  assert.ok((await refresh(refreshToken)).ok, 'an attribute has no weight');
  assert.ok((await update({ proof: proofOf('changed') })).ok);
  assert.ok(revoked.includes(account.id), 'it was told before the answer');
  assert.equal((await login(account.username, 'right')).ok, false);
  await loggedIn(account.username, 'changed');
  const keys = await store.bus.request(accountsKeys, accountsKeys.subject({}), {}, { timeoutMs: 30_000 });
  assert.ok(keys.ok && keys.value.revocations.some((revocation) => revocation.account === account.id));
  const nobody = await store.bus.request(accountsRevoke, accountsRevoke.subject({}), { account: 'nobody' }, { timeoutMs: 30_000 });
  assert.equal(nobody.ok ? undefined : nobody.failure.code, 'not-found');
});

test('a login that waits for its turn while its account is disabled gets no tokens', async () => {
  await until('a login still waits when its account is disabled', async () => {
    const account = await create(freshId('waiting'), 'right');
    const crowd = Array.from({ length: 6 }, () => login(freshId('nobody'), 'wrong'));
    const waiting = login(account.username, 'right');
    // The newest are next, so it mostly has read its account and waits when the first of them has its answer.
    crowd.push(...Array.from({ length: 20 }, () => login(freshId('nobody'), 'wrong')));
    let isAnswered = false;
    void waiting.then(() => {
      isAnswered = true;
    });
    await Promise.race(crowd);
    const disable = { id: account.id, disabled: true, by: 'test' };
    assert.ok((await store.bus.request(accountsUpdate, accountsUpdate.subject({ tenant: TENANT }), disable, { timeoutMs: 30_000 })).ok);
    // Where its account was read last, it was the newest itself: nothing to see.
    const wasWaiting = !isAnswered;
    const reply = await waiting;
    if (wasWaiting) assert.equal(reply.ok ? 'tokens' : reply.failure.code, 'unauthenticated');
    await Promise.all(crowd);
    return wasWaiting;
  });
});

test('user names are unique without regard to case, also when claimed at once', async () => {
  const username = freshId('Name');
  const request = (name: string) => ({ username: name, proof: proofOf('x'), roles: {}, by: 'test' });
  const replies = await Promise.all(
    [username, username.toUpperCase(), username.toLowerCase(), username].map((name) =>
      store.bus.request(accountsCreate, accountsCreate.subject({ tenant: TENANT }), request(name), { timeoutMs: 30_000 }),
    ),
  );
  assert.equal(replies.filter(({ ok }) => ok).length, 1);
  const of = await store.bus.request(accountsGet, accountsGet.subject({ tenant: 'another' }), { username }, { timeoutMs: 30_000 });
  assert.deepEqual(of.ok ? of.value.accounts : undefined, [], 'another tenant does not see it');
});

test('changes of accounts are announced by id; no proof, hash or token is in the journal, on the bus or in Redis', async () => {
  const told: string[] = [];
  store.bus.subscribe(accountsChanged, accountsChanged.pattern({}), (change, subject) => {
    told.push(change.id);
    heard += `${subject} ${JSON.stringify(change)}\n`;
  });
  await store.bus.flush(2000);
  const password = randomBytes(12).toString('hex');
  const account = await create(freshId('secretive'), password);
  const tokens = await loggedIn(account.username, password);
  await until('the change is told', () => told.includes(account.id));
  const [row] = await store.sql<{ password: string }[]>`select password from account_secret where account = ${account.id}`;
  assert.ok(row);
  assert.ok(row.password.startsWith('scrypt$'));
  const hash = row.password.split('$').at(-1) ?? '';
  const secrets = [password, proofOf(password), hash, tokens.refreshToken, tokens.accessToken, ADMIN.password, proofOf(ADMIN.password)];
  const journal =
    JSON.stringify(await store.sql`select * from journal`) +
    JSON.stringify(await store.sql`select * from element`) +
    JSON.stringify(await store.sql`select id, reply from operation`);
  const redis = connectRedis({ url: store.redis.url, name: 'test', onError: () => {} });
  await new Promise<void>((resolve) => void redis.once('ready', resolve));
  let dump = '';
  for (const key of await redis.keys('*')) {
    const type = await redis.type(key);
    dump +=
      type === 'stream'
        ? JSON.stringify(await redis.xrange(key, '-', '+'))
        : type === 'hash'
          ? JSON.stringify(await redis.hgetall(key))
          : key;
  }
  redis.disconnect();
  assert.ok(dump.length > 0);
  for (const [name, text] of Object.entries({ journal, redis: dump, heard })) {
    for (const [index, secret] of secrets.entries()) assert.ok(!text.includes(secret), `secret ${index} is in ${name}`);
  }
  assert.ok(!dump.includes(account.id), 'accounts are not appended to Redis');
  for (const replica of store.replicas) for (const secret of secrets) assert.ok(!replica.log().includes(secret));
});

test('an account is a vertex to reads that ask for accounts, whatever another protocol keeps under its id', async () => {
  const { id } = await create(freshId('shown'), 'a-good-password');
  const read = async () => {
    const got = await store.bus.request(
      graphGet,
      graphGet.subject({ tenant: TENANT }),
      { ids: [id], accounts: true },
      { timeoutMs: 30_000 },
    );
    assert.ok(got.ok, JSON.stringify(got));
    return got.value.elements[0];
  };
  const find = async (...types: string[]) => {
    const filter = {
      all: [
        { test: 'in', path: ['type'], values: types },
        { test: 'equal', path: ['id'], value: id },
      ],
    } as const;
    const request = { filter, accounts: true, count: true };
    const found = await store.bus.request(graphQuery, graphQuery.subject({ tenant: TENANT }), request, { timeoutMs: 30_000 });
    assert.ok(found.ok, JSON.stringify(found));
    assert.equal(found.value.count, found.value.elements.length);
    return found.value.elements;
  };
  const shown = await read();
  assert.equal(shown?.type, 'ogit/Auth/Account');
  assert.deepEqual(await find('ogit/Auth/Account'), [shown]);

  await store.done({ op: 'create', type: 'saga/User', id, attributes: { name: 'x' } });
  assert.deepEqual(await read(), shown);
  assert.deepEqual(await find('ogit/Auth/Account', 'saga/User'), [shown]);
  assert.deepEqual(await find('saga/User'), []);
  const plain = await store.bus.request(graphGet, graphGet.subject({ tenant: TENANT }), { ids: [id] }, { timeoutMs: 30_000 });
  assert.ok(plain.ok && plain.value.elements[0]?.type === 'saga/User');

  const other = freshId('note');
  await store.done({ op: 'create', type: 'test/Note', id: other, attributes: {} });
  const edge = await store.element({ op: 'connect', out: other, verb: 'test/of', in: id, accounts: true });
  assert.equal(edge.inType, 'ogit/Auth/Account');
  assert.deepEqual((await store.refused({ op: 'create', type: 'test/Note', id, attributes: {}, accounts: true })).code, 'conflict');
});

test('an account that is deleted takes its edges along, however many', async () => {
  const { id } = await create(freshId('leaving'), 'a-good-password');
  const other = freshId('note');
  await store.done({ op: 'create', type: 'test/Note', id: other, attributes: {} });
  // More than one operation may select.
  for (let made = 0; made < 10_500; made += 500) {
    const verbs = Array.from({ length: 500 }, (_, n) => `test/made${made + n}`);
    await store.done(...verbs.map((verb) => ({ op: 'connect' as const, out: id, verb, in: other, accounts: true })));
  }
  const deleted = await store.bus.request(
    accountsDelete,
    accountsDelete.subject({ tenant: TENANT }),
    { id, by: 'test' },
    { timeoutMs: 60_000 },
  );
  assert.ok(deleted.ok, JSON.stringify(deleted));
  const edges = await store.sql`
    select deleted, count(*)::int from element where tenant = ${TENANT} and kind = 'edge' and out_id = ${id} group by deleted`;
  assert.deepEqual([...edges], [{ deleted: true, count: 10_500 }]);
});

test('failed logins are shown of every account, not of the first thousand', async () => {
  const made: Account[] = [];
  const createMany = async (): Promise<void> => {
    while (made.length < 1001) {
      const request = { username: freshId('one-of-many'), roles: {}, by: 'test' };
      const reply = await store.bus.request(accountsCreate, accountsCreate.subject({ tenant: TENANT }), request, { timeoutMs: 30_000 });
      assert.ok(reply.ok, JSON.stringify(reply));
      made.push(reply.value);
    }
  };
  await Promise.all(Array.from({ length: 20 }, createMany));
  const last = made.reduce((one, other) => (one.id > other.id ? one : other));
  assert.equal((await login(last.username, 'wrong')).ok, false);
  const shown = await store.bus.request(accountsFailedLogins, accountsFailedLogins.subject({ tenant: TENANT }), {}, { timeoutMs: 30_000 });
  assert.ok(shown.ok, JSON.stringify(shown));
  assert.equal(shown.value.accounts.find(({ account }) => account === last.id)?.failures, 1);
});
