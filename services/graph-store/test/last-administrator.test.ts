/** The last administrator of a protocol stays one, on two replicas that change two of them at the same moment. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LAST_ADMINISTRATOR } from '@polyedge/contracts/account-change';
import { type Account, accountsCreate, accountsDelete, accountsGet, accountsUpdate } from '@polyedge/contracts/bus/accounts';
import type { Outcome } from '@polyedge/contracts/errors';
import type { JsonObject } from '@polyedge/query/json';
import { freshId } from './running-store.ts';
import { store } from './store-scene.ts';

const ROUNDS = 25;
const TIMEOUT = { timeoutMs: 30_000 };

type Change = Partial<Pick<Account, 'roles' | 'disabled' | 'attributes' | 'version'>>;

/** What one organization's directory is asked. */
function directoryOf(tenant: string) {
  const update = (id: string, change: Change): Promise<Outcome<unknown>> =>
    store.bus.request(accountsUpdate, accountsUpdate.subject({ tenant }), { id, by: 'test', ...change }, TIMEOUT);
  const remove = (id: string): Promise<Outcome<unknown>> =>
    store.bus.request(accountsDelete, accountsDelete.subject({ tenant }), { id, by: 'test' }, TIMEOUT);
  const create = async (roles: Account['roles'], attributes: JsonObject = {}): Promise<Account> => {
    const request = { username: freshId('user'), roles, attributes, by: 'test' };
    const made = await store.bus.request(accountsCreate, accountsCreate.subject({ tenant }), request, TIMEOUT);
    assert.ok(made.ok, JSON.stringify(made));
    return made.value;
  };
  const all = async (): Promise<readonly Account[]> => {
    const found = await store.bus.request(accountsGet, accountsGet.subject({ tenant }), {}, TIMEOUT);
    assert.ok(found.ok, JSON.stringify(found));
    return found.value.accounts;
  };
  return { update, remove, create, all };
}

function isRefused(outcome: Outcome<unknown>): void {
  assert.ok(!outcome.ok, 'the last administrator was taken away');
  assert.deepEqual([outcome.failure.code, outcome.failure.detail], ['not-allowed', LAST_ADMINISTRATOR]);
}

test('the only administrator of a protocol is neither demoted, disabled nor deleted; another one makes him free to go', async () => {
  const { update, remove, create } = directoryOf(freshId('tenant'));
  const { id } = await create({ space: ['ADMIN'], hiro: ['user'] });
  await create({ space: ['USER'], hiro: ['admin'] });
  const disabled = await create({ space: ['ADMIN'] });
  assert.ok((await update(disabled.id, { disabled: true })).ok);
  isRefused(await update(id, { roles: { space: ['USER'], hiro: ['admin'] } }));
  isRefused(await update(id, { disabled: true }));
  isRefused(await remove(id));
  assert.ok((await update(id, { roles: { space: ['ADMIN', 'USER'] } })).ok);
  const other = await create({ space: ['ADMIN'] });
  assert.ok((await remove(id)).ok);
  isRefused(await remove(other.id));
});

test('the console can be without administrators of its own: those of HIRO administer it', async () => {
  const { update, remove, create } = directoryOf(freshId('tenant'));
  const { id } = await create({ console: ['admin'] });
  assert.ok((await update(id, { roles: { console: [] } })).ok);
  assert.ok((await update(id, { roles: { console: ['admin'] } })).ok);
  assert.ok((await remove(id)).ok);
});

test('roles that were given through Saga count for Saga', async () => {
  const { update, create } = directoryOf(freshId('tenant'));
  const first = await create({ saga: ['Admin'] });
  const second = await create({ saga: ['Admin'] }, { saga: { roles: ['Editor'] } });
  isRefused(await update(first.id, { attributes: { saga: { roles: ['Editor'] } } }));
  assert.ok((await update(second.id, { attributes: { saga: { roles: ['Editor', 'Admin'] } } })).ok);
  assert.ok((await update(first.id, { attributes: { saga: { roles: ['Editor'] } } })).ok);
  isRefused(await update(second.id, { attributes: { saga: { roles: [] } } }));
});

for (const [name, take] of [
  ['are demoted', (at: Directory, { id }: Account) => at.update(id, { roles: { space: ['USER'] } })],
  [
    'are demoted under the version that was read',
    (at: Directory, { id, version }: Account) => at.update(id, { roles: {}, ...(version === undefined ? {} : { version }) }),
  ],
  ['are disabled', (at: Directory, { id }: Account) => at.update(id, { disabled: true })],
  ['are deleted', (at: Directory, { id }: Account) => at.remove(id)],
] as const satisfies readonly (readonly [string, (at: Directory, account: Account) => Promise<Outcome<unknown>>])[]) {
  test(`of three administrators who ${name} at the same moment one stays`, async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const directory = directoryOf(freshId('tenant'));
      const accounts = await Promise.all([1, 2, 3].map(() => directory.create({ space: ['ADMIN'] })));
      const outcomes = await Promise.all(accounts.map((account) => take(directory, account)));
      const left = (await directory.all()).filter(({ roles, disabled }) => roles.space?.includes('ADMIN') === true && !disabled);
      assert.equal(left.length, 1, `round ${round}: ${JSON.stringify(outcomes)}`);
      for (const outcome of outcomes.filter(({ ok }) => !ok)) isRefused(outcome);
    }
  });
}

test('one who becomes an administrator while another one goes is not demoted by a change that was made from his old roles', async () => {
  for (let round = 0; round < ROUNDS; round += 1) {
    const directory = directoryOf(freshId('tenant'));
    const [old, young] = await Promise.all([directory.create({ space: ['ADMIN'] }), directory.create({ space: ['USER'] })]);
    await Promise.all([
      directory.update(young.id, { roles: { space: ['ADMIN'] } }).then(() => directory.remove(old.id)),
      directory.update(young.id, { roles: { space: ['USER'], hiro: ['user'] } }),
    ]);
    const left = (await directory.all()).filter(({ roles }) => roles.space?.includes('ADMIN') === true);
    assert.notEqual(left.length, 0, `round ${round}`);
  }
});

type Directory = ReturnType<typeof directoryOf>;
