/** Who may call: keys, tokens, scopes and roles. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { accountsCreate, accountsLogin, accountsRevoke } from '@polyedge/contracts/bus/accounts';
import { connectNatsBus } from '@polyedge/service-kit/nats-bus';
import { until } from '@polyedge/testkit/until';
import { hex, newUser, refused, system, url } from './rest-scene.ts';
import { ADMIN, newOrganization, pricing, Rest } from './system.ts';

test('space:14 kinds of keys are distinguished, and a wrong one gets a clear error', async () => {
  refused(await new Rest(url).get('/services'), 401, /API Key/);
  refused(await new Rest(url, 'abcdef').get('/services'), 401, /Invalid API Key format/);
  refused(await new Rest(url, `usr_${'0'.repeat(64)}`).get('/users/me'), 401, /^INVALID DATA: Invalid API Key$/);
  refused(await new Rest(url, `org_${'0'.repeat(64)}`).get('/services'), 401, /Invalid Organization API Key/);
  const { rest } = await newOrganization(url);
  refused(await rest.get('/users/me'), 403, /requires a user API key/);
  refused(await rest.get('/organizations'), 403, /requires a user API key/);
  const { rest: user } = await newUser();
  refused(await user.upload('/services', pricing('Nobody', '1')), 403, /does not have permission.*organizations/);
});

test('space:14 an access token of the directory stands for the user, until it is revoked; it opens nothing for accounts that are none', async (t) => {
  const shown = async (token: string, path = '/users/me', more = {}) =>
    new Rest(url).call('GET', path, undefined, { authorization: `Bearer ${token}`, ...more });
  const proof = createHash('sha256').update(ADMIN.password).digest('hex');
  const login = { username: ADMIN.username, proof, protocol: 'console', app: 'console', address: '127.0.0.1' };
  const connected = await connectNatsBus({ url: system.natsUrl, service: 'test', credentials: { kind: 'none' } });
  assert.ok(connected.ok, 'NATS does not answer');
  const bus = connected.value;
  t.after(() => bus.close());
  const inTime = { timeoutMs: 10_000 };
  const got = await bus.request(accountsLogin, accountsLogin.subject({}), login, inTime);
  assert.ok(got.ok, JSON.stringify(got));
  const { accessToken, refreshToken, account } = got.value;
  assert.deepEqual((await shown(accessToken)).body, { username: ADMIN.username, role: 'ADMIN' });
  assert.equal((await shown(accessToken, '/organizations')).status, 200);
  // A key is looked at first, and a call that is public asks for nothing.
  refused(await shown(accessToken, '/users/me', { 'x-api-key': `usr_${'0'.repeat(64)}` }), 401, /^INVALID DATA: Invalid API Key$/);
  assert.equal((await shown('of something in front', '/healthcheck')).status, 200);
  refused(await shown(`${accessToken.slice(0, -4)}AAAA`), 401, /Invalid access token/);
  const stranger = { username: `stranger-${hex(4)}`, proof, roles: { hiro: ['admin'] }, by: account.id };
  assert.ok((await bus.request(accountsCreate, accountsCreate.subject({ tenant: 'default' }), stranger, inTime)).ok);
  const other = await bus.request(accountsLogin, accountsLogin.subject({}), { ...login, username: stranger.username }, inTime);
  assert.ok(other.ok, JSON.stringify(other));
  refused(await shown(other.value.accessToken), 401, /Invalid access token/);
  assert.ok((await bus.request(accountsRevoke, accountsRevoke.subject({}), { refreshToken }, inTime)).ok);
  await until('the token is revoked', async () => (await shown(accessToken)).status === 401);
});

test('space:15 calls without a rule are denied, to every caller', async () => {
  const { rest, admin } = await newOrganization(url);
  for (const client of [rest, admin, new Rest(url)]) {
    refused(await client.get('/nothing'), 403, /No permission rule/);
    refused(await client.call('PATCH', '/services'), 403, /No permission rule/);
  }
  for (const path of ['/', '/index.html', '/api/v1', '/api/v2/services']) assert.equal((await fetch(`${url}${path}`)).status, 403, path);
  const options = await fetch(`${url}/api/v1/services`, {
    method: 'OPTIONS',
    headers: { origin: 'https://a.example', 'access-control-request-headers': 'x-api-key' },
  });
  assert.equal(options.status, 204);
  assert.equal(options.headers.get('access-control-allow-origin'), 'https://a.example');
  assert.equal(options.headers.get('access-control-allow-headers'), 'x-api-key');
});

test('space:15 scopes of keys: EVALUATION reads, MANAGEMENT writes, ALL deletes', async () => {
  const { id, admin, rest: all } = await newOrganization(url);
  const keyOf = async (scope: string): Promise<Rest> => {
    const made = await admin.post(`/organizations/${id}/api-keys`, { scope });
    assert.equal(made.status, 200, JSON.stringify(made.body));
    return new Rest(url, String(made.body.apiKeys?.[Number(made.body.apiKeys?.length) - 1]?.key));
  };
  const [management, evaluation] = [await keyOf('MANAGEMENT'), await keyOf('EVALUATION')];
  refused(await evaluation.upload('/services', pricing('Scoped', '1')), 403, /does not have permission/);
  assert.equal((await management.upload('/services', pricing('Scoped', '1'))).status, 201);
  assert.equal((await evaluation.get('/services/Scoped/pricings/1')).status, 200);
  refused(await management.delete('/services/Scoped'), 403, /does not have permission/);
  assert.equal((await all.delete('/services/Scoped')).status, 204);
});

test('space:15 member roles decide below /organizations, and strangers have none', async () => {
  const owner = await newUser();
  const made = await owner.rest.post('/organizations', { name: 'Role Play', owner: owner.username });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  const at = `/organizations/${made.body.id}`;
  const [manager, evaluator, stranger] = [await newUser(), await newUser(), await newUser()];
  await owner.rest.post(`${at}/members`, { username: manager.username, role: 'MANAGER' });
  await owner.rest.post(`${at}/members`, { username: evaluator.username, role: 'EVALUATOR' });
  refused(await stranger.rest.get(`${at}/services`), 403, /not a member/);
  refused(await evaluator.rest.upload(`${at}/services`, pricing('Roles', '1')), 403, /does not have permission/);
  assert.equal((await manager.rest.upload(`${at}/services`, pricing('Roles', '1'))).status, 201);
  assert.equal((await evaluator.rest.get(`${at}/services/roles`)).status, 200);
  refused(await manager.rest.delete(`${at}/services/Roles`), 403, /does not have permission/);
  assert.equal((await owner.rest.delete(`${at}/services/Roles`)).status, 204);
  refused(await owner.rest.get(`/organizations/${'0'.repeat(24)}/services`), 404, /not found/);
  refused(await owner.rest.get('/organizations/short/services'), 404, /^INVALID DATA: .*not found/);
  refused(await stranger.rest.get(at), 403, /not a member/);
});

test('space:26 internal addresses are not called, whatever the URL looks like', async () => {
  const { rest } = await newOrganization(url);
  for (const address of [
    url,
    'http://127.0.0.1:1/',
    'http://localhost:1/',
    'http://[::1]:1/',
    'http://[::ffff:127.0.0.1]:1/',
    'http://0x7f.1:1/',
    'http://169.254.169.254/latest/meta-data',
    'http://10.0.0.1/',
    'ftp://files.example/x.yml',
    'file:///etc/passwd',
    'http://user:pass@files.example/',
    'nothing',
  ]) {
    refused(
      await rest.post('/services', { pricing: address }),
      400,
      /could not be fetched from the URL: (its address is not public|only http)/,
    );
  }
});

test('two organizations with services of the same name neither see nor disturb each other', async () => {
  const [one, other] = [await newOrganization(url), await newOrganization(url)];
  await one.rest.upload('/services', pricing('Same', '1'));
  await other.rest.upload('/services', pricing('Same', '1', '2023-01-01'));
  await one.rest.upload('/services/Same/pricings', pricing('Same', '2'));
  assert.deepEqual(Object.keys((await other.rest.get('/services/Same')).body.activePricings ?? {}), ['1']);
  assert.equal((await other.rest.get('/services/Same/pricings/1')).body.createdAt, '2023-01-01T00:00:00.000Z');
  refused(await other.rest.get('/services/Same/pricings/2'), 404, /not found/);
  assert.equal((await one.rest.delete('/services/Same')).status, 204);
  assert.equal((await other.rest.get('/services/Same')).status, 200);
  assert.deepEqual((await other.rest.delete('/services')).body, { message: 'Pruned 1 services' });
  assert.equal((await one.rest.upload('/services', pricing('Same', '3'))).status, 201);
  const both = await one.admin.get(`/organizations/${other.id}/services`);
  assert.deepEqual(both.body, []);
});
