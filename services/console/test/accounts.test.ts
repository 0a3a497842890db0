/** What an administrator may give to accounts, and take from them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Account,
  accountsCreate,
  accountsFailedLogins,
  accountsGet,
  accountsRevoke,
  accountsUpdate,
} from '@polyedge/contracts/bus/accounts';
import { done, failed } from '@polyedge/contracts/errors';
import { startLoneConsole } from './lone-console.ts';

const account = (id: string, over: Partial<Account> = {}): Account => ({
  ...{ id, tenant: 'default', username: id, roles: {}, defaultScope: 'scope1', scopes: [], disabled: false, attributes: {}, version: 1 },
  ...over,
});

/** A console whose store has these accounts. The administrator has the default scope `scope1` and no other one. */
async function consoleWith(accounts: readonly Account[], roles: Record<string, string[]>) {
  const lone = await startLoneConsole({ roles });
  const { bus } = lone;
  const found = (id: string | undefined) => accounts.find((one) => one.id === id);
  bus.respond(accountsGet, async ({ ids, after = '', limit = 1000 }) =>
    done({ accounts: accounts.filter(({ id }) => (ids === undefined ? id > after : ids.includes(id))).slice(0, limit) }),
  );
  bus.respond(accountsFailedLogins, async ({ ids = [] }) =>
    done({ accounts: ids.slice(0, 1).map((id) => ({ account: id, failures: 1, endsOn: 1, blocked: false })) }),
  );
  bus.respond(accountsCreate, async ({ username, scopes = [] }) => done(account(username, { scopes })));
  bus.respond(accountsUpdate, async ({ id, scopes }) => {
    const known = found(id);
    return known === undefined ? failed('not-found') : done({ ...known, scopes: scopes ?? known.scopes });
  });
  bus.respond(accountsRevoke, async () => done({}));
  return lone;
}

test('an administrator assigns only data scopes that it has, and an account with others stays as it is', async () => {
  const accounts = [account('acc1', { roles: { console: ['admin'] } }), account('reader', { scopes: ['*'] })];
  await using lone = await consoleWith(accounts, { console: ['admin'] });
  const made = { username: 'new', password: 'a long password' };
  const statuses = async (...calls: readonly (readonly ['POST' | 'PUT', string, object])[]): Promise<number[]> =>
    Promise.all(calls.map(async ([method, path, body]) => (await lone.send(method, path, body)).status));
  assert.deepEqual(
    await statuses(
      ['PUT', 'accounts/acc1', { scopes: ['*'] }],
      ['PUT', 'accounts/acc1', { scopes: ['scope1', 'secret'] }],
      ['POST', 'accounts', { ...made, roles: { console: ['admin'] }, scopes: ['*'] }],
      ['PUT', 'accounts/reader', { password: 'a long password' }],
      ['POST', 'accounts/reader/revoke', {}],
    ),
    [403, 403, 403, 403, 403],
  );
  assert.deepEqual(
    await statuses(['PUT', 'accounts/acc1', { scopes: ['scope1'] }], ['POST', 'accounts', { ...made, scopes: [] }]),
    [200, 200],
  );
});

test('an administrator of HIRO assigns all data scopes', async () => {
  await using lone = await consoleWith([account('acc1'), account('reader', { scopes: ['*'] })], { hiro: ['admin'] });
  assert.equal((await lone.send('PUT', 'accounts/acc1', { scopes: ['*'] })).status, 200);
  assert.equal((await lone.send('PUT', 'accounts/reader', { password: 'a long password' })).status, 200);
});

test('what is no role, scope, state or version of an account is refused, and changes nothing', async () => {
  await using lone = await consoleWith([account('acc1')], { hiro: ['admin'] });
  const wrong = [{ roles: 'admin' }, { roles: [] }, { roles: { hiro: 'admin' } }, { scopes: 'all' }, { disabled: 'yes' }, { version: '1' }];
  for (const body of wrong) assert.equal((await lone.send('PUT', 'accounts/acc1', body)).status, 400, JSON.stringify(body));
  const made = { username: 'new', password: 'a long password' };
  for (const more of [{ roles: 'admin' }, { username: '  ' }, { username: undefined }])
    assert.equal((await lone.send('POST', 'accounts', { ...made, ...more })).status, 400, JSON.stringify(more));
});

test('accounts are listed in pages, also those that fit a text, whether or not the store looks for it', async () => {
  const accounts = Array.from({ length: 450 }, (_, n) => account(`acc${String(n).padStart(4, '0')}`, { username: `User ${n}` }));
  await using lone = await consoleWith(accounts, { console: ['admin'] });
  const page = async (query: object) => {
    const response = await lone.get(`accounts?${new URLSearchParams({ ...query })}`);
    assert.equal(response.status, 200);
    return (await response.json()) as { readonly accounts: readonly (Account & { failedLogins?: object })[]; readonly next?: string };
  };
  const names = async (query: object): Promise<string[]> => {
    const found: string[] = [];
    for (let after: string | undefined = ''; after !== undefined; ) {
      const { accounts, next } = await page({ ...query, after });
      found.push(...accounts.map(({ username }) => username));
      after = next;
    }
    return found;
  };
  const all = accounts.map(({ username }) => username);
  assert.equal((await page({})).accounts.length, 200);
  assert.deepEqual((await page({})).accounts[0]?.failedLogins, { failures: 1, endsOn: 1, blocked: false });
  assert.deepEqual(await names({}), all);
  assert.deepEqual(await names({ limit: '450' }), all);
  assert.deepEqual(await names({ text: 'uSER 44' }), ['User 44', ...all.slice(440)]);
  for (const limit of ['0', '1001', 'x', '1.5']) assert.equal((await lone.get(`accounts?limit=${limit}`)).status, 400, limit);
});
