import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import {
  accountsAddKey,
  accountsCreate,
  accountsDelete,
  accountsFindKey,
  accountsGet,
  accountsKeys,
  accountsListKeys,
  accountsLogin,
  accountsRemoveKeys,
  accountsRevoked,
  accountsUpdate,
  type Revocation,
} from '@polyedge/contracts/bus/accounts';
import type { RequestChannel } from '@polyedge/contracts/channel';
import type { Outcome } from '@polyedge/contracts/errors';
import type { Bus } from '@polyedge/service-kit/bus';
import { silentLog } from '@polyedge/service-kit/log';
import { connectNatsBus } from '@polyedge/service-kit/nats-bus';
import { startNats } from '@polyedge/testkit/servers/nats';
import { startService } from '@polyedge/testkit/servers/service';
import { sharedPostgres, sharedRedis } from '@polyedge/testkit/servers/shared';
import { until } from '@polyedge/testkit/until';

const tenant = 'default';
const stack = new AsyncDisposableStack();
let bus: Bus;

before(async () => {
  const [nats, redis, database] = await Promise.all([startNats(), sharedRedis(), sharedPostgres()]);
  for (const server of [nats, redis, database]) stack.use(server);
  const env = { NATS_URL: nats.url, REDIS_URL: redis.url, DATABASE_URL: database.url, LOG_LEVEL: 'warn' };
  stack.use(await startService({ name: 'graph-store', env }));
  const connected = await connectNatsBus({
    url: nats.url,
    service: 'test',
    instance: 'test',
    credentials: { kind: 'none' },
    log: silentLog,
  });
  assert.ok(connected.ok);
  bus = connected.value;
  stack.defer(() => bus.close());
});
after(() => stack.disposeAsync());

const ask = <Request, Reply>(
  channel: RequestChannel<`${string}{tenant}`, Request, Reply>,
  body: Request,
  of = tenant,
): Promise<Outcome<Reply>> => bus.request(channel, channel.subject({ tenant: of }), body, { timeoutMs: 30_000 });

async function value<T>(outcome: Promise<Outcome<T>>): Promise<T> {
  const answered = await outcome;
  assert.ok(answered.ok, JSON.stringify(answered));
  return answered.value;
}

const newKey = (): string => `org_${randomBytes(32).toString('hex')}`;
const hashOf = (key: string): string => createHash('sha256').update(key).digest('hex');
const owned = (id: string, scope = 'ALL', key = newKey()) => ({ key, owner: { kind: 'organization' as const, id }, scope });

test('a key is found by its hash, listed in the order given, and gone when removed', async () => {
  const [first, second] = [owned('o1'), owned('o1', 'EVALUATION')];
  await value(ask(accountsAddKey, { apiKey: first, mode: 'add' }));
  await value(ask(accountsAddKey, { apiKey: second, mode: 'add' }));
  assert.deepEqual(await value(ask(accountsFindKey, { hash: hashOf(second.key) })), { owner: second.owner, scope: 'EVALUATION' });
  assert.deepEqual(await value(ask(accountsListKeys, { kind: 'organization', owners: ['o1', 'o9'] })), { keys: [first, second] });
  assert.deepEqual(await value(ask(accountsRemoveKeys, { owner: first.owner, hash: hashOf(first.key) })), { removed: 1 });
  assert.deepEqual(await ask(accountsFindKey, { hash: hashOf(first.key) }), { ok: false, failure: { code: 'not-found' } });
});

test('a key belongs to one owner of one tenant', async () => {
  const apiKey = owned('o2');
  await value(ask(accountsAddKey, { apiKey, mode: 'add' }));
  const again = await ask(accountsAddKey, { apiKey: { ...apiKey, owner: { kind: 'organization', id: 'o3' } }, mode: 'add' });
  assert.equal(again.ok ? '' : again.failure.code, 'conflict');
  const elsewhere = await ask(accountsFindKey, { hash: hashOf(apiKey.key) }, 'another');
  assert.equal(elsewhere.ok ? '' : elsewhere.failure.code, 'not-found');
  assert.deepEqual(await value(ask(accountsRemoveKeys, { owner: { kind: 'organization', id: 'o3' }, hash: hashOf(apiKey.key) })), {
    removed: 0,
  });
});

test('many who give an owner its first key at once agree on one; replacing leaves only the new one', async () => {
  const given = await Promise.all(Array.from({ length: 8 }, () => value(ask(accountsAddKey, { apiKey: owned('o4'), mode: 'if-none' }))));
  assert.equal(new Set(given.map(({ key }) => key)).size, 1);
  const next = owned('o4');
  await value(ask(accountsAddKey, { apiKey: next, mode: 'replace' }));
  assert.deepEqual(await value(ask(accountsListKeys, { kind: 'organization', owners: ['o4'] })), { keys: [next] });
});

test('a removed key is revoked as a session of its owner, told at once and kept for those that miss it', async () => {
  const [first, second, third] = [owned('o5'), owned('o5'), owned('o5')];
  for (const apiKey of [first, second]) await value(ask(accountsAddKey, { apiKey, mode: 'add' }));
  const told: Revocation[] = [];
  bus.subscribe(accountsRevoked, accountsRevoked.pattern({}), (revocation) => told.push(revocation));
  await bus.flush(2000);
  const sessions = (): (string | undefined)[] => told.filter(({ account }) => account === 'o5').map(({ session }) => session);
  await value(ask(accountsRemoveKeys, { owner: first.owner, hash: hashOf(first.key) }));
  await until('the first is told', () => sessions().length === 1);
  await value(ask(accountsAddKey, { apiKey: third, mode: 'replace' }));
  await until('the second is told', () => sessions().length === 2);
  await value(ask(accountsRemoveKeys, { owner: first.owner }));
  await until('the third is told', () => sessions().length === 3);
  const hashes = [first, second, third].map(({ key }) => hashOf(key));
  assert.deepEqual(sessions(), hashes);
  const keys = await value(bus.request(accountsKeys, accountsKeys.subject({}), {}, { timeoutMs: 30_000 }));
  const kept = keys.revocations.filter(({ account }) => account === 'o5').map(({ session }) => session);
  assert.deepEqual(new Set(kept), new Set(hashes));
});

test('an account can be renamed, and deleted with its password and keys; its name is free then', async () => {
  const proof = hashOf('a password');
  const account = await value(ask(accountsCreate, { username: 'Ada', proof, roles: { space: ['USER'] }, by: 'test' }));
  const login = (username: string) =>
    bus.request(
      accountsLogin,
      accountsLogin.subject({}),
      { username, proof, protocol: 'space', app: '', address: '::1' },
      { timeoutMs: 30_000 },
    );
  await value(ask(accountsUpdate, { id: account.id, username: 'Lovelace', by: 'test' }));
  assert.equal((await login('lovelace')).ok, true);
  assert.equal((await login('ada')).ok, false);
  const taken = await ask(accountsCreate, { username: 'LOVELACE', roles: {}, by: 'test' });
  assert.equal(taken.ok ? '' : taken.failure.code, 'conflict');
  const apiKey = { key: newKey(), owner: { kind: 'account' as const, id: account.id }, scope: 'USER' };
  await value(ask(accountsAddKey, { apiKey, mode: 'add' }));
  await value(ask(accountsDelete, { id: account.id, by: 'test' }));
  assert.equal((await login('lovelace')).ok, false);
  assert.equal((await ask(accountsFindKey, { hash: hashOf(apiKey.key) })).ok, false);
  assert.deepEqual(await value(ask(accountsGet, { username: 'lovelace' })), { accounts: [] });
  assert.equal((await ask(accountsCreate, { username: 'Lovelace', roles: {}, by: 'test' })).ok, true);
});
