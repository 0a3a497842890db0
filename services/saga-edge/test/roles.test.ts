import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '@polyedge/testkit/until';
import { person } from './rooms-scene.ts';
import { boss } from './saga-scene.ts';

interface Shown {
  readonly _id: string;
  readonly title: string;
}

async function makeRole(title: string, ...permissions: object[]): Promise<string> {
  const made = await boss.api('POST', '/roles', { title, permissions });
  assert.equal(made.status, 200, JSON.stringify(made.body));
  return made.body._id;
}

test('saga:15 who holds a role holds it also under another title, with what it forbids', async () => {
  const [reads, forbids] = [
    await makeRole('Reader', { path: '/scripts', action: 'get', allow: true }),
    await makeRole('Banned', { path: '/globals/properties', action: '*', allow: false }),
  ];
  const user = await person('renamed-roles');
  await boss.api('PUT', `/users/${user.me}/roles`, { roles: ['Reader', 'Banned'] });
  const rights = async () => [(await user.api('GET', '/scripts')).status, (await user.api('GET', '/globals/properties')).status];
  assert.deepEqual(await rights(), [200, 403]);
  for (const [id, title] of [
    [reads, 'Reads'],
    [reads, 'Reader of scripts'],
    [forbids, 'Blocked'],
  ]) {
    const changed = await boss.api('PUT', `/roles/${id}`, { title });
    assert.deepEqual([changed.status, changed.body.title, changed.body.former], [200, title, undefined]);
  }
  assert.deepEqual(await rights(), [200, 403]);
  assert.equal((await user.send('/globals/join', '')).status_code, 403);
  assert.equal((await boss.api('POST', '/roles', { title: 'Reader' })).status, 422, 'accounts still hold the other role by this title');
  assert.ok(!JSON.stringify((await boss.api('GET', '/roles')).body).includes('former'));
  const held = await boss.api('PUT', `/users/${user.me}/roles`, { roles: ['Reads', reads] });
  assert.deepEqual(held.body.roles, ['User', 'Reader of scripts', 'Blocked']);
  await boss.api('DELETE', `/users/${user.me}/roles`, { roles: ['Reader of scripts'] });
  assert.deepEqual(await rights(), [403, 403]);
});

test('saga:15 two roles never have one title, and concurrent changes of one role both stand', async () => {
  const twins = await Promise.all(Array.from({ length: 4 }, () => boss.api('POST', '/roles', { title: 'Twin' })));
  assert.deepEqual(twins.map(({ status }) => status).sort(), [200, 422, 422, 422]);
  const id = await makeRole('Single');
  const taken = await boss.api('PUT', `/roles/${id}`, { title: 'Admin' });
  assert.deepEqual([taken.status, taken.body.errors], [422, { title: 'is taken' }]);
  const permissions = [{ path: '/bots', action: 'get', allow: true }];
  const changed = await Promise.all([
    boss.api('PUT', `/roles/${id}`, { title: 'Alone' }),
    boss.api('PUT', `/roles/${id}`, { permissions }),
    boss.api('PUT', `/roles/${id}`, { scope: 'user-default' }),
  ]);
  assert.deepEqual(
    changed.map(({ status }) => status),
    [200, 200, 200],
  );
  const role = await until('the changes are shown', async () => {
    const all: readonly Shown[] = (await boss.api('GET', '/roles')).body;
    return all.find((one) => one._id === id && one.title === 'Alone');
  });
  assert.deepEqual(role, { _id: id, title: 'Alone', scope: 'user-default', permissions });
  await boss.api('DELETE', `/roles/${id}`);
});
