import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { HiroEvent } from '@polyedge/contracts/wire/hiro';
import { until } from '@polyedge/testkit/until';
import { Client } from './client.ts';
import { Scene, untilHeard } from './groups-scene.ts';
import { call, login, post, type System, startSystem } from './system.ts';

let system: System;
let scene: Scene;
let token: string;
before(async () => {
  system = await startSystem();
  token = await system.token();
  scene = new Scene(system, token);
});
after(() => system[Symbol.asyncDispose]());

const rest = (path: string): string => `${system.hiro.url}/api/graph/7.4${path}`;
const make: Scene['make'] = (type, body) => scene.make(type, body);
const makeMany: Scene['makeMany'] = (type, count) => scene.makeMany(type, count);
const member: Scene['member'] = (group, type, options) => scene.member(group, type, options);
const untilLive: Scene['untilLive'] = (members, type) => scene.untilLive(members, type);

test('hiro:E14 the members of a group share its events out, each event once', async () => {
  using one = await member('e14', 'ogit/E14');
  using two = await member('e14', 'ogit/E14');
  await untilLive([one, two], 'ogit/E14');
  const ids = await makeMany('ogit/E14', 60);
  await untilHeard([one, two], ids);
  const heard = [...one.ids(), ...two.ids()].filter((id) => ids.includes(id));
  assert.equal(heard.length, ids.length);
  assert.ok(one.ids().some((id) => ids.includes(id)));
  assert.ok(two.ids().some((id) => ids.includes(id)));
});

test('hiro:E16 a returning group gets what it missed, whatever offset it requests', async () => {
  using first = await member('e16', 'ogit/E16');
  await untilLive([first], 'ogit/E16');
  first.client.ws.close();
  await first.client.end();
  const missed = await makeMany('ogit/E16', 30);
  using second = await member('e16', 'ogit/E16', { offset: 'largest' });
  await untilHeard([second], missed);
  // A vertex that was made to see whether the first is live may have come too late for it.
  const heard = second.ids();
  assert.deepEqual(heard.filter((id) => missed.includes(id)).sort(), [...missed].sort());
  assert.deepEqual(
    heard.filter((id) => first.ids().includes(id)),
    [],
  );
});

test('hiro:E15 a member that leaves in the middle hands its events to those that stay', async () => {
  using one = await member('e15', 'ogit/E15');
  const two = await member('e15', 'ogit/E15');
  await untilLive([one, two], 'ogit/E15');
  const before = await makeMany('ogit/E15', 20);
  two.client.ws.terminate();
  const later = await makeMany('ogit/E15', 20);
  await untilHeard([one, two], [...before, ...later]);
});

test('hiro:E16 smallest begins with the oldest event, largest with now, and a second member of a living group replays nothing', async () => {
  const old = await makeMany('ogit/E16b', 5);
  using all = await member('e16-smallest', 'ogit/E16b', { offset: 'smallest' });
  await untilHeard([all], old);
  using now = await member('e16-largest', 'ogit/E16b');
  await untilLive([now], 'ogit/E16b');
  assert.deepEqual(
    now.ids().filter((id) => old.includes(id)),
    [],
  );
  using second = await member('e16-smallest', 'ogit/E16b', { offset: 'smallest' });
  const further = await makeMany('ogit/E16b', 10);
  await untilHeard([all, second], further);
  assert.deepEqual(
    second.ids().filter((id) => old.includes(id)),
    [],
  );
});

test('hiro:E16 with offsetMode literal, largest skips the events that a group without members missed', async () => {
  const literal = await system.startHiro({ HIRO_OFFSET_MODE: 'literal' });
  {
    using first = await member('e16-literal', 'ogit/E16c', { port: literal.port });
    await untilLive([first], 'ogit/E16c');
    first.client.ws.close();
    await first.client.end();
  }
  const missed = await makeMany('ogit/E16c', 5);
  using second = await member('e16-literal', 'ogit/E16c', { port: literal.port });
  await untilLive([second], 'ogit/E16c');
  assert.deepEqual(
    second.ids().filter((id) => missed.includes(id)),
    [],
  );
});

test('hiro:E18 a member that does not confirm is closed with 1013, and its deliveries go to another', async () => {
  const impatient = await system.startHiro({ HIRO_CONFIRM_MS: '1000', HIRO_PING_INTERVAL_MS: '1000' });
  using slow = await member('e18', 'ogit/E18', { port: impatient.port });
  await untilLive([slow], 'ogit/E18');
  slow.client.ws.pause();
  const ids = await makeMany('ogit/E18', 10);
  using other = await member('e18', 'ogit/E18', { port: impatient.port });
  await untilHeard([other], ids);
  slow.client.ws.resume();
  assert.equal((await slow.client.end()).code, 1013);
});

test('hiro:E18 a socket without a group that does not read is closed with 1013 at the bound of its buffer', async () => {
  const small = await system.startHiro({ HIRO_MAX_BUFFERED_BYTES: '65536' });
  const client = new Client(small.port, '/api/events-ws/6.2/', ['events-1.0.0', `token-${token}`]);
  await client.open();
  client.send({ type: 'register', args: { 'filter-id': 'f', 'filter-content': '(element.ogit/_type = ogit/E18b)' } });
  await until('an event comes', async () => {
    await make('ogit/E18b');
    return client.frames.length > 0;
  });
  client.ws.pause();
  const long = 'x'.repeat(500_000);
  // More than sockets and the system's own buffers hold.
  for (let sent = 0; sent < 40; sent += 1) await make('ogit/E18b', { '/long': long });
  client.ws.resume();
  assert.equal((await client.end()).code, 1013);
});

test('a groupId that is too long, or has a NUL, is refused in band', async () => {
  for (const groupId of ['g'.repeat(129), '%00', 'a%00b']) {
    using client = new Client(system.hiro.port, `/api/events-ws/6.2/?groupId=${groupId}`, ['events-1.0.0', `token-${token}`]);
    assert.equal((await client.end()).code, 1003);
    assert.equal((client.frames[0] as { error: { code: number } }).error.code, 400);
  }
});

test('an administrator sees who is in a group and how far it is; others do not', async () => {
  using one = await member('admin-group', 'ogit/Admin');
  await untilLive([one], 'ogit/Admin');
  const groups = async () => {
    const { body } = await call('GET', `${system.hiro.url}/admin/groups`, token);
    const { items } = body as { items: { name: string; members: object[]; partitions: { owner: string; position: number }[] }[] };
    return items.find(({ name }) => name === 'admin-group');
  };
  // A member takes its partitions one after the other.
  const group = await until('every partition has an owner', async () => {
    const seen = await groups();
    return seen?.partitions.every(({ owner }) => owner !== '') === true && seen;
  });
  assert.equal(group?.members.length, 1);
  assert.equal(group?.partitions.length, 16);
  assert.ok(
    group?.partitions.every(({ owner, position }) => owner !== '' && position > 0),
    JSON.stringify(group),
  );
  await post(`${system.hiro.url}/admin/accounts`, { username: 'plain', password: 'plain-password', roles: [] }, token);
  const plain = await login(system.hiro.url, { username: 'plain', password: 'plain-password' });
  assert.equal((await call('GET', `${system.hiro.url}/admin/groups`, plain._TOKEN)).status, 403);
  assert.equal((await call('GET', `${system.hiro.url}/admin/groups`)).status, 401);
});

test('hiro:E12 hiro:E13 an administrator creates a scope and an account for it, and each receives and reads only its own', async () => {
  const scope = await make('ogit/Auth/DataScope', { 'ogit/name': 'second' });
  const account = await post(
    `${system.hiro.url}/admin/accounts`,
    { username: 'scoped', password: 'scoped-password', defaultScope: scope, scopes: [] },
    token,
  );
  assert.equal(account.status, 200);
  const scoped = (await login(system.hiro.url, { username: 'scoped', password: 'scoped-password' }))._TOKEN;
  const mine = await post(rest('/new/ogit%2FScoped'), {}, scoped);
  assert.equal((mine.body as Record<string, unknown>)['ogit/_scope'], scope);
  const hidden = await make('ogit/Scoped');
  assert.equal((await call('GET', rest(`/${hidden}`), scoped)).status, 403);
  // In a group, too, each socket hears of what its own token may read.
  const client = new Client(system.hiro.port, '/api/events-ws/6.2/?groupId=scoped&offset=smallest', ['events-1.0.0', `token-${scoped}`]);
  await client.open();
  client.send({ type: 'register', args: { 'filter-id': 'f', 'filter-content': '(element.ogit/_type = ogit/Scoped)' } });
  await client.until(() => client.frames.length > 0);
  assert.deepEqual(
    client.frames.map((frame) => (frame as HiroEvent).id),
    [String((mine.body as Record<string, unknown>)['ogit/_id'])],
  );
  client.ws.terminate();
});

test('the new owner of a vertex cannot see its earlier states, by any request', async () => {
  const scope = await make('ogit/Auth/DataScope', { 'ogit/name': 'third' });
  const heir = { username: 'heir', password: 'password-of-the-heir' };
  const account = (await post(`${system.hiro.url}/admin/accounts`, { ...heir, defaultScope: scope, scopes: [] }, token)).body;
  const given = await make('ogit/Scoped', { '/secret': 'before' });
  const { body: first } = await call('GET', rest(`/${given}`), token);
  const vid = String((first as Record<string, unknown>)['ogit/_v-id']);
  const change = { 'ogit/_owner': (account as { id: string }).id, '/secret': null, '/text': 'after' };
  assert.equal((await post(rest(`/${given}`), change, token)).status, 200);
  const theirs = (await login(system.hiro.url, heir))._TOKEN;
  const { status, body } = await call('GET', rest(`/${given}`), theirs);
  assert.deepEqual([status, (body as Record<string, unknown>)['/text']], [200, 'after']);
  for (const path of [`?vid=${vid}`, '/history', '/history?type=full', '/history?type=diff', `/history?vid=${vid}`]) {
    const { body: answer } = await call('GET', rest(`/${given}${path}`), theirs);
    assert.doesNotMatch(JSON.stringify(answer), /before/, path);
  }
  assert.equal((await call('GET', rest(`/${given}?vid=${vid}`), theirs)).status, 404);
  assert.equal((await call('GET', rest(`/${given}?vid=${vid}`), token)).status, 200);
});

test('roles of one protocol are changed without those of the others', async () => {
  const roles = { hiro: ['admin'], saga: ['Editor'] };
  const { body } = await post(`${system.hiro.url}/admin/accounts`, { username: 'both', password: 'a-good-password', roles }, token);
  const { id } = body as { readonly id: string };
  const change = async (to: unknown) =>
    ((await call('PUT', `${system.hiro.url}/admin/accounts/${id}`, token, JSON.stringify({ roles: to }))).body as { roles: unknown }).roles;
  assert.deepEqual(await change([]), { hiro: [], saga: ['Editor'] });
  assert.deepEqual(await change({ saga: [] }), { hiro: [], saga: [] });
});
