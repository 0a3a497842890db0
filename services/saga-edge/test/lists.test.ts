import assert from 'node:assert/strict';
import { request } from 'node:http';
import { test } from 'node:test';
import { cpuMs } from '@polyedge/testkit/servers/processes';
import { rest, session } from './client.ts';
import { boss, open, system, url } from './saga-scene.ts';

const search = (text: string): string => encodeURIComponent(text);

test('saga:12 the Unity client finds itself and a bot by an anchored name, with their properties as a map', async () => {
  await boss.send('/users/properties', { parent_id: boss.me, name: 'score', value: 4 });
  const [found, ...more] = (await boss.api('GET', `/users?search=${search('^admin$')}`)).body;
  assert.deepEqual([found._id, found.username, more], [boss.me, 'admin', []]);
  assert.deepEqual([found.properties.score.name, found.properties.score.parent_id, found.properties.score.value], ['score', boss.me, 4]);
  assert.deepEqual((await boss.api('GET', `/users?search=${search('^nobody$')}`)).body, []);
  const made = await boss.api('POST', '/bots', { name: 'HAL', test_data: true });
  const bots = (await boss.api('GET', `/bots?search=${search('^HAL$')}`)).body;
  assert.deepEqual(bots, [made.body]);
  assert.deepEqual(made.body.properties, {});
});

test('saga:12 a user without further rights finds only itself by name', async () => {
  const made = await rest(url)('POST', '/users/register', { username: 'una', password: 'una-password' });
  const api = rest(url, made.body.accessToken);
  const found = await api('GET', `/users?search=${search('^una$')}`);
  assert.deepEqual(
    found.body.map(({ _id }: { _id: string }) => _id),
    [made.body._id],
  );
  assert.equal((await api('GET', '/users')).status, 403);
  assert.equal((await api('GET', `/users?search=${search('^admin$')}`)).status, 403);
  // A name of dots is an expression that names of this length match.
  const dots = await rest(url)('POST', '/users/register', { username: '...', password: 'dots-password' });
  const matching = (await rest(url, dots.body.accessToken)('GET', `/users?search=${search('^...$')}`)).body;
  assert.deepEqual(
    matching.map(({ username }: { username: string }) => username),
    ['...'],
  );
});

test('saga:12 other expressions search in names only, bombs cost nothing, and an invalid expression is answered 400', async () => {
  for (const name of ['robot-1', 'robot-22', 'android']) await boss.api('POST', '/bots', { name });
  const names = async (text: string): Promise<unknown> =>
    (await boss.api('GET', `/bots?sort=name&search=${search(text)}`)).body.map(({ name }: { name: string }) => name);
  assert.deepEqual(await names('^robot-\\d+$'), ['robot-1', 'robot-22']);
  assert.deepEqual(await names('dr'), ['android']);
  assert.deepEqual(await names('^robot-2'), ['robot-22']);
  const used = () => cpuMs(system.saga.pid) + cpuMs(system.store.pid);
  const atFirst = used();
  assert.deepEqual(await names('^(([a-z])+.)+[A-Z]([a-z])+$'), []);
  assert.ok(used() - atFirst < 3000, 'three seconds of CPU');
  assert.equal((await boss.api('GET', `/bots?search=${search('(')}`)).status, 400);
  assert.equal((await boss.api('GET', `/bots?search=${'a'.repeat(501)}`)).status, 400);
});

test('saga:13 bots have ids of 24 hex digits, and are made, changed and deleted with their properties', async () => {
  const made = await boss.api('POST', '/bots', { name: 'brief', test_data: true });
  assert.equal(made.status, 200);
  assert.match(made.body._id, /^[0-9a-f]{24}$/);
  assert.equal(made.body.test_data, true);
  assert.equal((await boss.api('PUT', `/bots/${made.body._id}`, { name: 'brief2' })).body.name, 'brief2');
  await boss.api('PUT', `/bots/${made.body._id}/properties/a`, { value: 1 });
  assert.equal((await boss.api('GET', `/bots/${made.body._id}`)).body.properties.a.value, 1);
  assert.deepEqual((await boss.api('DELETE', `/bots/${made.body._id}`)).body, { ok: 1 });
  assert.equal((await boss.api('GET', `/bots/${made.body._id}`)).body.message, 'Bot does not exist');
  assert.equal((await boss.api('GET', `/bots/${made.body._id}/properties/a`)).status, 404);
});

test('saga:29 lists come in pages that only the Link header announces, and keep the other parameters', async () => {
  for (let at = 0; at < 5; at += 1) await boss.api('POST', '/bots', { name: `page-${at}`, tags: ['paged'] });
  const seen: string[] = [];
  let path: string | undefined = '/bots?tags=paged&limit=2&sort=-name';
  let pages = 0;
  while (path !== undefined) {
    const page = await boss.api('GET', path);
    assert.ok(Array.isArray(page.body));
    seen.push(...page.body.map(({ name }: { name: string }) => name));
    pages += 1;
    path = /<([^>]+)>; rel="next"/.exec(page.link ?? '')?.[1];
    assert.equal(/rel="prev"/.test(page.link ?? ''), pages > 1);
  }
  assert.deepEqual(seen, ['page-4', 'page-3', 'page-2', 'page-1', 'page-0']);
  for (const bad of ['page=0', 'page=x', 'limit=0', 'limit=-1', 'page=99999999']) {
    assert.equal((await boss.api('GET', `/bots?${bad}`)).status, 400, bad);
  }
});

test('saga:12 users and bots can be ordered and chosen by a property', async () => {
  for (const [name, level] of [
    ['low', 1],
    ['high', 9],
    ['mid', 5],
  ] as const) {
    const made = await boss.api('POST', '/bots', { name, tags: ['levelled'] });
    await boss.api('PUT', `/bots/${made.body._id}/properties/level`, { value: level });
  }
  const names = async (query: string): Promise<unknown> =>
    (await boss.api('GET', `/bots?tags=levelled&${query}`)).body.map(({ name }: { name: string }) => name);
  assert.deepEqual(await names('sort=properties.level'), ['low', 'mid', 'high']);
  assert.deepEqual(await names('sort=-properties.level&limit=2'), ['high', 'mid']);
  assert.deepEqual(await names('properties.level=5'), ['mid']);
});

test('saga:30 tags are added once, listed without repetition, and taken away, on everything that has them', async () => {
  const bot = (await boss.api('POST', '/bots', { name: 'tagged' })).body._id;
  assert.deepEqual((await boss.api('PUT', `/bots/${bot}/tags`, { tag: 'red' })).body, ['red']);
  assert.deepEqual((await boss.api('PUT', `/bots/${bot}/tags`, { tag: 'blue' })).body, ['red', 'blue']);
  assert.deepEqual((await boss.api('PUT', `/bots/${bot}/tags`, { tag: 'red' })).body, ['red', 'blue']);
  assert.deepEqual((await boss.api('GET', `/bots/${bot}/tags`)).body, ['red', 'blue']);
  assert.deepEqual((await boss.api('DELETE', `/bots/${bot}/tags`, { tag: 'red' })).body, ['blue']);
  assert.deepEqual((await boss.api('DELETE', `/bots/${bot}/tags`, { tag: 'red' })).body, ['blue']);
  assert.ok((await boss.api('GET', '/bots/tags')).body.includes('blue'));
  assert.equal((await boss.api('PUT', '/bots/nobody/tags', { tag: 'x' })).status, 404);
  assert.equal((await boss.api('PUT', `/bots/${bot}/tags`, {})).status, 422);
  assert.deepEqual((await boss.api('PUT', `/users/${boss.me}/tags`, { tag: 'boss' })).body, ['boss']);
  for (const resource of ['users', 'scripts', 'jobs', 'npm_packages', 'schema_definitions']) {
    assert.equal((await boss.api('GET', `/${resource}/tags`)).status, 200, resource);
  }
});

test('saga:31 test users and bots are made at once and removed with everything of theirs', async () => {
  const made = await boss.api('POST', '/users/test');
  assert.equal(made.status, 200, JSON.stringify(made.body));
  const tester = await session(url, { username: made.body.username, password: made.body.password });
  open.push(tester);
  const bot = (await boss.api('POST', '/bots', { name: 'tested', test_data: true })).body._id;
  const kept = (await boss.api('POST', '/bots', { name: 'kept' })).body._id;
  await tester.send('/users/properties', { parent_id: tester.me, name: 'a', value: 1 });
  await tester.send('/users/message', { user_id: tester.me, bot_id: kept, body: 'x' });
  assert.equal((await boss.api('GET', `/bots/${kept}/messages`)).body.length, 1);
  assert.deepEqual((await boss.api('DELETE', '/test')).body, { ok: 1 });
  assert.equal((await boss.api('GET', `/bots/${bot}`)).status, 404);
  assert.equal((await boss.api('GET', `/bots/${kept}`)).status, 200);
  assert.equal((await boss.api('GET', `/users/${tester.me}`)).status, 404);
  assert.equal((await boss.api('GET', `/bots/${kept}/messages`)).body.length, 0);
  await tester.until(() => tester.reason !== undefined, "the end of a deleted user's socket");
  assert.equal((await rest(url, made.body.accessToken)('GET', '/users/me')).status, 401);
});

test('saga:37 what an anonymous role allows needs no token', async () => {
  const nobody = rest(url);
  assert.equal((await nobody('POST', '/bots', { name: 'anyone' })).status, 401);
  const role = await boss.api('POST', '/roles', {
    title: 'Anyone',
    scope: 'anonymous',
    permissions: [{ path: '/bots', action: 'post', allow: true }],
  });
  assert.equal(role.status, 200);
  assert.equal((await nobody('POST', '/bots', { name: 'anyone' })).status, 200);
  await boss.api('DELETE', `/roles/${role.body._id}`);
  assert.equal((await nobody('POST', '/bots', { name: 'anyone' })).status, 401);
});

test('saga:16 newer permission paths guard routes and socket events alike', async () => {
  const made = await rest(url)('POST', '/users/register', { username: 'newer', password: 'newer-password' });
  await boss.api('POST', '/roles', {
    title: 'Newer',
    permissions: [
      { path: '/routes/scripts/*', action: 'read', allow: true },
      { path: '/routes/users/*/properties', action: 'post', allow: true },
      { path: '/models/users/*', action: 'read', allow: true, filter: { a: 1 } },
    ],
  });
  await boss.api('PUT', `/users/${made.body._id}/roles`, { role: 'Newer' });
  const user = await session(url, { username: 'newer', password: 'newer-password' });
  open.push(user);
  assert.equal((await user.api('GET', '/scripts')).status, 200);
  assert.equal((await user.send('/scripts/runnable_calls/join')).status_code, 200);
  assert.equal((await user.send('/jobs/runnable_calls/join')).status_code, 403);
  assert.equal((await user.send('/users/properties', { parent_id: boss.me, name: 'n', value: 1 })).status_code, 200);
  assert.equal((await user.api('GET', `/users/${boss.me}/properties`)).status, 403);
});

test('saga:32 one URL has one HTTP script, also for concurrent requests', async () => {
  const make = (path: string) => boss.api('POST', '/scripts', { name: 's', body: 'return 1', path });
  const first = await make('/requests/orders/new');
  assert.equal(first.status, 200, JSON.stringify(first.body));
  assert.equal('request_path' in first.body, false);
  for (const path of ['/requests/orders/new', '/requests/orders//new/']) {
    const second = await make(path);
    assert.deepEqual([second.status, second.body.errors], [422, { path: 'has a script already' }]);
  }
  const other = await make('/requests/other');
  const moved = await boss.api('PUT', `/scripts/${other.body._id}`, { path: '/requests/orders/new' });
  assert.deepEqual([moved.status, moved.body.errors], [422, { path: 'has a script already' }]);
  const raced = await Promise.all([1, 2, 3].map(() => make('/requests/raced')));
  assert.deepEqual(raced.map(({ status }) => status).sort(), [200, 422, 422]);
  assert.equal((await boss.api('PUT', `/scripts/${first.body._id}`, { path: '/users/properties/score' })).status, 200);
  assert.equal((await make('/requests/orders/new')).status, 200, 'a URL that was left is free');
  for (let n = 0; n < 2; n += 1) assert.equal((await make('/users/properties/score')).status, 200, 'several scripts see one property');
});

test('saga:25 a schedule or time zone that does not exist is answered 422', async () => {
  for (const [more, field] of [
    [{ schedule: '99 * * * *' }, 'schedule'],
    [{ schedule: '0 0 30 2 *' }, 'schedule'],
    [{ schedule: '* * * * *', timezone: 'Nowhere/Land' }, 'timezone'],
  ] as const) {
    const refused = await boss.api('POST', '/jobs', { name: 'j', body: 'return 1', ...more });
    assert.deepEqual([refused.status, Object.keys(refused.body.errors)], [422, [field]]);
  }
  const made = await boss.api('POST', '/jobs', { name: 'j', body: 'return 1', schedule: '0 12 * * *', timezone: 'Europe/Berlin' });
  assert.equal(made.status, 200, JSON.stringify(made.body));
});

test('saga:25 a job says when it is due next, from the start and after every change of its schedule', async () => {
  const hour = ({ next_run_at: at }: { readonly next_run_at: string | null }): number | null =>
    at === null ? null : new Date(at).getUTCHours();
  const { body: made } = await boss.api('POST', '/jobs', { body: 'return 1', schedule: '0 12 * * *' });
  assert.equal(hour(made), 12);
  assert.ok(Date.parse(made.next_run_at) > Date.now());
  const change = async (set: object) => (await boss.api('PUT', `/jobs/${made._id}`, set)).body;
  assert.equal(hour(await change({ timezone: 'Asia/Tokyo' })), 3);
  assert.equal(hour(await change({ enabled: false })), null);
  assert.equal(hour(await change({ name: 'still off' })), null);
  assert.equal(hour(await change({ enabled: true, schedule: '0 13 * * *' })), 4);
  const ended = await change({ schedule: null });
  assert.deepEqual([ended.schedule, ended.next_run_at], [null, null]);
});

test('missing objects and bad names get clear errors, and every user may reset its own properties', async () => {
  const logs = await boss.api('GET', '/runnable_calls/unknown/logs');
  assert.deepEqual([logs.status, logs.body.message], [404, 'Runnable call does not exist']);
  assert.deepEqual((await boss.api('GET', '/users/oauth')).body, []);
  assert.equal((await boss.api('GET', '/users/oauth/github')).body.message, 'OAuth provider does not exist');

  const made = await rest(url)('POST', '/users/register', { username: 'resetter', password: 'resetter-password' });
  const api = rest(url, made.body.accessToken);
  const own = `/users/${made.body._id}/properties`;
  const bad = await api('POST', own, { name: 'two words', value: 1 });
  assert.deepEqual([bad.status, bad.body.errors.name], [422, 'is not a name: 1 to 128 letters, digits, _ and -, and not - first']);
  assert.equal((await api('PUT', `${own}/score`, { value: 5 })).status, 200);
  assert.equal((await api('PUT', `${own}/_defaults`, { value: { lives: 3 } })).status, 200);
  assert.equal((await api('DELETE', own)).status, 200);
  assert.deepEqual((await api('GET', own)).body.map(({ name }: { name: string }) => name).sort(), ['_defaults', 'lives']);
  assert.equal((await api('DELETE', `${own}/lives`)).status, 403);
  assert.equal((await api('DELETE', `/users/${boss.me}/properties`)).status, 403);
});

test('saga:15 rights are judged by the path that is served: a user with a fragment in a target gives itself no roles', async () => {
  const made = await rest(url)('POST', '/users/register', { username: 'climber', password: 'climber-password' });
  const { _id: id, accessToken } = made.body;
  for (const path of [
    `/users/${id}/roles`,
    `/users/${id}/roles#`,
    `/users/${id}/roles#/x`,
    `/users/${id}/role%73`,
    `/users/${id}//roles`,
  ]) {
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const headers = { 'access-token': accessToken, 'content-type': 'application/json' };
      // `fetch` would leave the fragment out.
      const sent = request(url, { path, method: 'PUT', headers }, (answer) => resolve(answer.resume().statusCode));
      sent.on('error', reject).end('{"role":"Admin"}');
    });
    assert.ok(status !== undefined && status >= 400, `${path}: ${status}`);
  }
  assert.ok(!(await boss.api('GET', `/users/${id}`)).body.roles.includes('Admin'));
});
