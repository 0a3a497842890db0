/** What an administrator may give to accounts, and take from them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Account, accountsCreate, accountsGet, accountsRevoke, accountsUpdate } from '@polyedge/contracts/bus/accounts';
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
  bus.respond(accountsGet, async ({ ids = [] }) => done({ accounts: accounts.filter(({ id }) => ids.includes(id)) }));
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
