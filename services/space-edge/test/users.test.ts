/** Users and organizations. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hex, newUser, refused, url } from './rest-scene.ts';
import { ADMIN, type Answered, asAdmin, pricing, Rest } from './system.ts';

test('space:35 users log in, are created, changed and deleted; one ADMIN always stays', async () => {
  const { rest: admin } = await asAdmin(url);
  refused(await new Rest(url).post('/users/authenticate', { ...ADMIN, password: 'wrong-password' }), 401, /INVALID DATA/);
  refused(await new Rest(url).post('/users/authenticate', { username: 'admin' }), 422, /password/);
  assert.deepEqual((await admin.get('/users/me')).body, { username: 'admin', role: 'ADMIN' });
  refused(await admin.put('/users/admin', { role: 'USER' }), 403, /There must always be at least one ADMIN/);
  refused(await admin.delete('/users/admin'), 403, /There must always be at least one ADMIN/);
  const username = `ann-${hex(3)}`;
  refused(await new Rest(url).post('/users', { username, password: 'with space' }), 422, /whitespace/);
  refused(await new Rest(url).post('/users', { username: 'ab', password: 'secret-1' }), 422, /username/);
  refused(
    await new Rest(url).post('/users', { username, password: 'secret-1', role: 'ADMIN' }),
    403,
    /Only admins can create other admins/,
  );
  const made = await new Rest(url).post('/users', { username, password: 'secret-1' });
  assert.deepEqual([made.status, made.body.role], [201, 'USER']);
  refused(await new Rest(url).post('/users', { username: username.toUpperCase(), password: 'secret-1' }), 404, /already/);
  const ann = new Rest(url, String(made.body.apiKey));
  const login = await new Rest(url).post('/users/authenticate', { username, password: 'secret-1' });
  assert.deepEqual(login.body, { username, apiKey: made.body.apiKey, role: 'USER' });
  const seen = await ann.post('/users', { username: `${username}-m`, password: 'secret-1' });
  assert.deepEqual([seen.status, Object.keys(seen.body)], [201, ['id', 'username']]);
  refused(await ann.get('/users'), 403, /4 characters/);
  refused(await admin.get('/organizations?offset=-1'), 400, /Offset must be a non-negative number/);
  // What somebody may not do is said before it is looked at.
  refused(await ann.put(`/users/${username}`, { role: 'ADMIN' }), 403, /^PERMISSION ERROR: Only admins can change roles to admin\.$/);
  refused(await ann.put('/users/admin', { username: 'other' }), 403, /^PERMISSION ERROR: Only admins can update admin users\.$/);
  refused(await ann.put('/users/nobody/role', { role: 'USER' }), 403, /^PERMISSION ERROR: Only admins can change roles for other users\.$/);
  refused(await ann.delete('/users/admin'), 403, /^PERMISSION ERROR: Only admins can delete admin users\.$/);
  const { rest: gone, username: himself } = await newUser();
  assert.equal((await gone.delete(`/users/${himself}`)).status, 204);
  refused(await gone.get('/users/me'), 401, /Invalid API Key/);
  const search = await ann.get('/users?q=admin');
  assert.deepEqual(Object.keys(search.body.data?.[0] ?? {}).sort(), ['id', 'username']);
  const all = await admin.get('/users?limit=1');
  assert.deepEqual([all.body.data?.length, all.body.pagination?.limit, all.body.pagination?.page], [1, 1, 1]);
  refused(await admin.get('/users?limit=51'), 400, /Limit must be between 1 and 50/);
  refused(await ann.put('/users/admin', { password: 'secret-2' }), 403, /admin/i);
  refused(await ann.put(`/users/${username}/role`, { role: 'ADMIN' }), 403, /admin/i);
  const bob = await newUser();
  refused(await ann.delete(`/users/${bob.username}`), 403, /own user/);
  const renamed = await ann.put(`/users/${username}`, { username: `${username}-2`, password: 'secret-2', role: null });
  assert.deepEqual([renamed.status, renamed.body.username], [200, `${username}-2`]);
  assert.equal((await ann.get('/organizations')).body.data?.[0]?.owner, `${username}-2`);
  const fresh = await ann.put(`/users/${username}-2/api-key`);
  assert.match(String(fresh.body.apiKey), /^usr_[0-9a-f]{64}$/);
  assert.equal((await ann.get('/users/me')).status, 401);
  const again = new Rest(url, String(fresh.body.apiKey));
  assert.equal((await again.delete(`/users/${username}-2`)).status, 204);
  assert.equal((await again.get('/users/me')).status, 401);
  refused(await admin.get(`/users/${username}-2`), 404, /not found/);
});

test('space:36 organizations with members and keys', async () => {
  const { rest: admin } = await asAdmin(url);
  const [owner, member, other] = [await newUser(), await newUser(), await newUser()];
  refused(await owner.rest.post('/organizations', { name: 'ab', owner: owner.username }), 422, /name/);
  refused(await owner.rest.post('/organizations', { name: 'Mine', owner: 'nobody-at-all' }), 400, /does not exist/);
  refused(await owner.rest.post('/organizations', { name: 'Yours', owner: other.username }), 403, /other users/);
  refused(await owner.rest.post('/organizations', { name: 'Second', owner: owner.username, default: true }), 409, /CONFLICT/);
  const made = await owner.rest.post('/organizations', { name: 'Mine', owner: owner.username });
  assert.deepEqual(Object.keys(made.body), ['id', 'name', 'owner', 'default', 'apiKeys', 'members', 'ownerDetails']);
  assert.match(String(made.body.apiKeys?.[0]?.key), /^org_[0-9a-f]{64}$/);
  const at = `/organizations/${made.body.id}`;
  refused(await owner.rest.post(`${at}/members`, { username: member.username, role: 'OWNER' }), 422, /role/);
  refused(await owner.rest.post(`${at}/members`, { username: 'nobody-at-all', role: 'MANAGER' }), 400, /does not exist/);
  const joined = await owner.rest.post(`${at}/members`, { username: member.username, role: 'MANAGER' });
  assert.deepEqual(joined.body.members, [{ username: member.username, role: 'MANAGER' }]);
  refused(await member.rest.post(`${at}/members`, { username: other.username, role: 'ADMIN' }), 403, /MANAGER/);
  refused(await member.rest.post(`${at}/api-keys`, { scope: 'ALL' }), 403, /MANAGER/);
  refused(await owner.rest.post(`${at}/api-keys`, { scope: 'SOME' }), 400, /scope/);
  const added = await member.rest.post(`${at}/api-keys`, { scope: 'EVALUATION' });
  const scopesOf = ({ body }: Answered) => (body.apiKeys as unknown as { scope: string }[]).map(({ scope }) => scope);
  // A member is shown no key that may do more than he may.
  assert.deepEqual([added.status, scopesOf(added)], [200, ['EVALUATION']]);
  assert.deepEqual(scopesOf(await owner.rest.get(at)), ['ALL', 'EVALUATION']);
  assert.equal((await owner.rest.post(`${at}/api-keys`, { scope: 'MANAGEMENT' })).status, 200);
  await owner.rest.post(`${at}/members`, { username: other.username, role: 'EVALUATOR' });
  assert.deepEqual(scopesOf(await member.rest.get(at)), ['EVALUATION', 'MANAGEMENT']);
  assert.deepEqual(scopesOf(await other.rest.get(at)), ['EVALUATION']);
  const listed = (await other.rest.get('/organizations')).body.data as unknown as { id: string; apiKeys: { scope: string }[] }[];
  assert.deepEqual(
    listed.find(({ id }) => id === String(made.body.id))?.apiKeys.map(({ scope }) => scope),
    ['EVALUATION'],
  );
  assert.equal((await owner.rest.delete(`${at}/members/${other.username}`)).status, 200);
  refused(await member.rest.delete(`${at}/api-keys/${made.body.apiKeys?.[0]?.key}`), 403, /ALL/);
  const evaluation = String(added.body.apiKeys?.[0]?.key);
  assert.equal((await new Rest(url, evaluation).get('/services')).status, 200);
  assert.equal((await member.rest.delete(`${at}/api-keys/${evaluation}`)).body.apiKeys?.length, 1);
  refused(await new Rest(url, evaluation).get('/services'), 401, /Invalid Organization API Key/);
  refused(await owner.rest.delete(`${at}/api-keys/${evaluation}`), 400, /not found/);
  const chosen = `org_${hex(32)}`;
  refused(await owner.rest.post(`${at}/api-keys`, { scope: 'ALL', key: chosen }), 403, /ADMIN/);
  assert.equal((await admin.post(`${at}/api-keys`, { scope: 'ALL', key: chosen })).body.apiKeys?.[2]?.key, chosen);
  assert.equal((await new Rest(url, chosen).get('/services')).status, 200);
  refused(await owner.rest.put(`${at}/members/${member.username}`, { role: 'MANAGER' }), 409, /CONFLICT/);
  refused(await owner.rest.put(`${at}/members/${other.username}`, { role: 'MANAGER' }), 400, /not a member/);
  assert.equal((await owner.rest.put(`${at}/members/${member.username}`, { role: 'ADMIN' })).body.members?.[0]?.role, 'ADMIN');
  refused(await member.rest.put(at, { name: 'Taken over' }), 403, /permission/);
  const transferred = await owner.rest.put(at, { owner: member.username });
  assert.deepEqual([transferred.body.owner, transferred.body.members], [member.username, [{ username: owner.username, role: 'ADMIN' }]]);
  assert.deepEqual((await owner.rest.delete(`${at}/members/${owner.username}`)).body.members, []);
  refused(await owner.rest.get(at), 403, /not a member/);
  const own = await owner.rest.get('/organizations');
  const home = `/organizations/${own.body.data?.[0]?.id}`;
  refused(await owner.rest.put(home, { owner: member.username }), 409, /default organization/);
  refused(await owner.rest.delete(home), 409, /default organization/);
  await new Rest(url, chosen).upload('/services', pricing('Orphan', '1'));
  assert.equal((await member.rest.delete(at)).status, 204);
  refused(await new Rest(url, chosen).get('/services'), 401, /Invalid Organization API Key/);
  refused(await member.rest.get(at), 404, /not found/);
});

test('space:35 a deleted user leaves his organizations to the next in line', async () => {
  const [owner, heir] = [await newUser(), await newUser()];
  const made = await owner.rest.post('/organizations', { name: 'Heritage', owner: owner.username });
  await owner.rest.post(`/organizations/${made.body.id}/members`, { username: heir.username, role: 'EVALUATOR' });
  assert.equal((await owner.rest.delete(`/users/${owner.username}`)).status, 204);
  const inherited = await heir.rest.get(`/organizations/${made.body.id}`);
  assert.deepEqual([inherited.status, inherited.body.owner, inherited.body.members], [200, heir.username, []]);
});
