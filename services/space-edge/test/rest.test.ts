import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import { accountsCreate, accountsLogin, accountsRevoke } from '@polyedge/contracts/bus/accounts';
import { connectNatsBus } from '@polyedge/service-kit/nats-bus';
import { until } from '@polyedge/testkit/until';
import { subscription } from './metered.ts';
import { ADMIN, type Answered, asAdmin, newOrganization, pricing, pricingFile, Rest, type System, startSystem } from './system.ts';

let system: System;
let url: string;
before(async () => {
  system = await startSystem();
  url = system.space.url;
});
after(() => system[Symbol.asyncDispose]());

function refused({ status, body }: Answered, expected: number, error: RegExp): void {
  assert.equal(status, expected, JSON.stringify(body));
  assert.match(String(body.error), error);
}

const hex = (bytes: number): string => randomBytes(bytes).toString('hex');

/** A new user, with the calls of his key. */
async function newUser(role = 'USER'): Promise<{ readonly username: string; readonly rest: Rest; readonly key: string }> {
  const { rest: admin } = await asAdmin(url);
  const username = `user-${hex(4)}`;
  const made = await admin.post('/users', { username, password: 'secret-1', role });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  assert.deepEqual(Object.keys(made.body).sort(), ['apiKey', 'id', 'role', 'username']);
  return { username, rest: new Rest(url, String(made.body.apiKey)), key: String(made.body.apiKey) };
}

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

test('space:16 space:22 services are created, listed, paged and found by their exact name in any case', async () => {
  const { rest, id } = await newOrganization(url);
  for (const name of ['Zoom', 'Zoom Phone', 'axe.*']) assert.equal((await rest.upload('/services', pricing(name, '1'))).status, 201);
  const zoom = await rest.get('/services/zOOM');
  assert.equal(zoom.status, 200);
  assert.deepEqual(Object.keys(zoom.body), ['name', 'organizationId', 'disabled', 'activePricings', 'id']);
  assert.deepEqual([zoom.body.name, zoom.body.organizationId, zoom.body.disabled], ['Zoom', id, false]);
  assert.match(String(zoom.body.id), /^[0-9a-f]{24}$/);
  refused(await rest.get('/services/Zo'), 404, /^NOT FOUND: Service with name Zo$/);
  assert.equal((await rest.get('/services/axe.*')).status, 200);
  refused(await rest.get('/services/axe1'), 404, /NOT FOUND/);
  const names = async (query: string) =>
    ((await rest.get(`/services${query}`)).body as unknown as { name: string }[]).map(({ name }) => name);
  assert.deepEqual(await names(''), ['Zoom', 'Zoom Phone', 'axe.*']);
  assert.deepEqual(await names('?name=phone'), ['Zoom Phone']);
  assert.deepEqual(await names('?name=*'), ['axe.*']);
  assert.deepEqual(await names('?limit=2&page=2&order=desc'), ['Zoom']);
  assert.deepEqual(await names('?limit=1&offset=1'), ['Zoom Phone']);
  refused(await rest.upload('/services', pricing('zoom', '2')), 400, /already exists/);
  refused(await rest.post('/services', {}), 400, /No file or URL provided/);
  refused(await rest.upload('/services', 'a: [b'), 400, /^Pricing parsing error/);
  refused(await rest.upload('/services', pricing('Bad', '1').replace('FREE:', 'FR.EE:')), 400, /Invalid key/);
  refused(await rest.call('POST', '/services', '{"pricing":'), 400, /not JSON/);
  refused(await rest.upload('/services', `# ${'x'.repeat(3 * 1024 * 1024)}`), 413, /too large/);
});

test('space:17 another version must name the service exactly and be new', async () => {
  const { rest } = await newOrganization(url);
  await rest.upload('/services', pricing('Versioned', '1'));
  const added = await rest.upload('/services/Versioned/pricings', pricing('Versioned', '2'));
  assert.equal(added.status, 201);
  assert.deepEqual(Object.keys(added.body.activePricings ?? {}), ['1', '2']);
  refused(await rest.upload('/services/Versioned/pricings', pricing('versioned', '3')), 400, /does not match/);
  refused(await rest.upload('/services/Versioned/pricings', pricing('Versioned', '2')), 400, /already exists/);
  refused(await rest.upload('/services/Unknown/pricings', pricing('Unknown', '2')), 404, /NOT FOUND/);
  refused(await rest.upload('/services/Versioned/pricings', 'a: [b'), 400, /^Pricing parsing error/);
});

test('space:18 space:41 availability is checked in order, archives by default, and requires a suitable fallback', async () => {
  const { rest } = await newOrganization(url);
  const addOns = '\naddOns:\n  extra:\n    price: 1\n    availableFor: [ENTERPRISE]\n    features: {chaos: {value: true}}\n';
  await rest.upload('/services', pricing('Switch', 'old') + addOns);
  const put = (version: string, query: string, body?: unknown) => rest.put(`/services/Switch/pricings/${version}${query}`, body);
  refused(await put('old', ''), 400, /cannot archive the last active pricing for service Switch/);
  await rest.upload('/services/Switch/pricings', pricing('Switch', 'new', '2025-01-01') + addOns);
  assert.equal((await put('old', '?availability=active')).status, 200);
  refused(await put('old', '?availability=off'), 400, /Invalid availability status. Either provide "active" or "archived"/);
  refused(await put('old', ''), 400, /fallback/);
  refused(await put('old', '', { subscriptionPlan: null, subscriptionAddOns: null }), 400, /fallback/);
  refused(await put('old', '', { subscriptionPlan: 5 }), 422, /subscriptionPlan/);
  refused(await put('old', '', { subscriptionAddOns: { extra: -1 } }), 422, /subscriptionAddOns/);
  refused(await put('none', '', { subscriptionPlan: 'FREE' }), 404, /^Pricing version none not found for service Switch$/);
  // There is somebody to move, so the fallback counts.
  assert.equal(
    (await rest.post('/contracts', { ...subscription(`s-${hex(4)}`, 'Switch', 'FREE'), contractedServices: { Switch: 'old' } })).status,
    201,
  );
  refused(await put('old', '', { subscriptionPlan: 'GOLD' }), 400, /Plan GOLD .*not found/);
  refused(await put('old', '', { subscriptionPlan: 'FREE', subscriptionAddOns: { extra: 1 } }), 400, /not available for plan FREE/);
  const archived = await put('old', '', { subscriptionPlan: 'enterprise', subscriptionAddOns: { extra: 1 } });
  assert.equal(archived.status, 200, JSON.stringify(archived.body));
  assert.deepEqual(
    [Object.keys(archived.body.activePricings ?? {}), Object.keys(archived.body.archivedPricings ?? {})],
    [['new'], ['old']],
  );
  assert.equal((await put('old', '', { subscriptionPlan: 'FREE' })).status, 200);
  const active = await put('old', '?availability=active', { subscriptionPlan: null });
  assert.deepEqual(Object.keys(active.body.activePricings ?? {}).sort(), ['new', 'old']);
  const list = await rest.get('/services/Switch/pricings');
  assert.deepEqual((list.body as unknown as { version: string }[]).map(({ version }) => version).sort(), ['new', 'old']);
  assert.deepEqual((await rest.get('/services/Switch/pricings?pricingStatus=archived')).body, []);
  refused(await rest.get('/services/Switch/pricings?pricingStatus=all'), 400, /Invalid pricing status/);
});

test('space:18 of many who archive at once exactly one version stays active', async () => {
  const { rest } = await newOrganization(url);
  await rest.upload('/services', pricing('Race', 'v0'));
  const versions = Array.from({ length: 6 }, (_, at) => `v${at}`);
  const added = await Promise.all(versions.slice(1).map((version) => rest.upload('/services/Race/pricings', pricing('Race', version))));
  assert.deepEqual(new Set(added.map(({ status }) => status)), new Set([201]));
  const archived = await Promise.all(
    versions.map((version) => rest.put(`/services/Race/pricings/${version}`, { subscriptionPlan: 'FREE' })),
  );
  assert.equal(archived.filter(({ status }) => status === 200).length, 5);
  assert.equal(archived.filter(({ status }) => status === 400).length, 1);
  assert.equal(Object.keys((await rest.get('/services/Race')).body.activePricings ?? {}).length, 1);
});

test('space:20 disabling is soft: the service is gone, returns with a new version and keeps its archive', async () => {
  const { rest } = await newOrganization(url);
  await rest.upload('/services', pricing('Phoenix', '1'));
  await rest.upload('/services/Phoenix/pricings', pricing('Phoenix', '2'));
  assert.equal((await rest.delete('/services/Phoenix')).status, 204);
  refused(await rest.get('/services/Phoenix'), 404, /NOT FOUND/);
  refused(await rest.delete('/services/Phoenix'), 404, /NOT FOUND/);
  assert.deepEqual((await rest.get('/services')).body, []);
  refused(await rest.upload('/services', pricing('Phoenix', '2')), 400, /already exists/);
  const revived = await rest.upload('/services', pricing('Phoenix', '3'));
  assert.equal(revived.status, 201);
  assert.deepEqual([Object.keys(revived.body.activePricings ?? {}), Object.keys(revived.body.archivedPricings ?? {})], [['3'], ['1', '2']]);
  assert.equal((await rest.get('/services/Phoenix/pricings/1')).status, 200);
  assert.equal((await rest.put('/services/Phoenix/pricings/1?availability=active')).status, 200);
});

test('space:21 only an archived version can be deleted', async () => {
  const { rest } = await newOrganization(url);
  await rest.upload('/services', pricing('Shredder', '1'));
  await rest.upload('/services/Shredder/pricings', pricing('Shredder', '2'));
  refused(await rest.delete('/services/Shredder/pricings/1'), 404, /^Invalid request: No archived version 1 found for service Shredder\./);
  await rest.put('/services/Shredder/pricings/1', { subscriptionPlan: 'FREE' });
  assert.equal((await rest.delete('/services/Shredder/pricings/1')).status, 204);
  refused(await rest.get('/services/Shredder/pricings/1'), 404, /Pricing version 1 not found for service Shredder/);
  assert.equal((await rest.upload('/services/Shredder/pricings', pricing('Shredder', '1'))).status, 201);
});

test("space:22 a pricing shows its plans in the author's order with the value of every feature, and its file can be had again", async () => {
  const { rest, admin, id } = await newOrganization(url);
  assert.equal((await rest.upload('/services', pricingFile('harbourdesk'))).status, 201);
  const read = await rest.get('/services/harbourdesk/pricings/2024');
  assert.deepEqual(Object.keys(read.body), [
    '_organizationId',
    'yamlPath',
    'version',
    'currency',
    'createdAt',
    'features',
    'usageLimits',
    'plans',
    'addOns',
  ]);
  assert.deepEqual(Object.keys(read.body.plans ?? {}), ['FREE', 'TEAM', 'ENTERPRISE']);
  assert.equal(read.body.plans?.FREE?.features?.help, 'forum');
  assert.equal(read.body.createdAt, '2024-07-17T00:00:00.000Z');
  const link = await admin.get(`/organizations/${id}/services/Harbourdesk/pricings/2024/public-url`);
  assert.equal(link.body.path, `/${read.body.yamlPath}`);
  const file = await fetch(`${url}${link.body.path}`);
  assert.equal(file.status, 200);
  const { rest: other } = await newOrganization(url);
  assert.equal((await other.upload('/services', await file.text())).status, 201);
  assert.deepEqual((await other.get('/services/Harbourdesk/pricings/2024')).body.plans, read.body.plans);
  assert.equal((await fetch(`${url}/static/pricings/${'0'.repeat(24)}.yaml`)).status, 404);
});

test('space:23 versions keep dots and underscores, and can be requested with either', async () => {
  const { rest } = await newOrganization(url);
  await rest.upload('/services', pricing('Dotted', '2024.1'));
  await rest.upload('/services/Dotted/pricings', pricing('Dotted', '2024_2'));
  await rest.upload('/services/Dotted/pricings', pricing('Dotted', 'v/3 ?'));
  assert.deepEqual(Object.keys((await rest.get('/services/Dotted')).body.activePricings ?? {}).sort(), ['2024.1', '2024_2', 'v/3 ?']);
  for (const [asked, version] of [
    ['2024.1', '2024.1'],
    ['2024_1', '2024.1'],
    ['2024.2', '2024_2'],
    ['2024_2', '2024_2'],
    [encodeURIComponent('v/3 ?'), 'v/3 ?'],
  ]) {
    assert.equal((await rest.get(`/services/Dotted/pricings/${asked}`)).body.version, version);
  }
  const archived = await rest.put('/services/Dotted/pricings/2024_1', { subscriptionPlan: 'FREE' });
  assert.deepEqual(Object.keys(archived.body.archivedPricings ?? {}), ['2024.1']);
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

test('space:37 a service is renamed, and moved to another organization with its pricings', async () => {
  const [from, to] = [await newOrganization(url), await newOrganization(url)];
  await from.rest.upload('/services', pricing('Mover', '1'));
  await from.rest.upload('/services', pricing('Stayer', '1'));
  refused(await from.rest.put('/services/Mover', { name: 'stayer' }), 409, /CONFLICT/);
  refused(await from.rest.put('/services/Mover', { name: 7 }), 422, /name/);
  refused(await from.rest.put('/services/Mover', { name: '' }), 422, /name/);
  refused(await from.rest.put('/services/Mover', { organizationId: 'x' }), 422, /organizationId/);
  refused(await from.rest.put('/services/Mover', { organizationId: 'a'.repeat(24) }), 400, /not found/);
  refused(await from.rest.put('/services/Nobody', { name: 'Somebody' }), 404, /NOT FOUND/);
  assert.equal((await from.rest.put('/services/Mover', {})).status, 200);
  assert.equal((await from.rest.put('/services/Mover', { name: 'MOVER', organizationId: null })).body.name, 'MOVER');
  const moved = await from.rest.put('/services/mover', { name: 'Moved', organizationId: to.id });
  assert.deepEqual([moved.status, moved.body.name, moved.body.organizationId], [200, 'Moved', to.id]);
  refused(await from.rest.get('/services/Moved'), 404, /NOT FOUND/);
  assert.equal((await to.rest.get('/services/Moved/pricings/1')).body._organizationId, to.id);
  const foreign = await newUser();
  const listed = await foreign.rest.get('/organizations');
  refused(await to.rest.put('/services/Moved', { organizationId: listed.body.data?.[0]?.id }), 403, /same owner/);
});

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
