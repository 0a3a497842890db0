/** Services and the versions of their pricings. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { subscription } from './metered.ts';
import { hex, newUser, refused, url } from './rest-scene.ts';
import { newOrganization, pricing, pricingFile } from './system.ts';

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
