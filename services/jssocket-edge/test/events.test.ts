/** Logins: cores, clients and what becomes of them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Core, Page, Publisher, SECRET, USERS } from './doubles.ts';
import { edge, nothingElse, url, withSecret } from './events-scene.ts';
import { Socket } from './socket.ts';

test('jssocket:6 jssocket:7 server_connect is answered true with the secret in the header or in the event, else false and closed 1000', async () => {
  using header = await withSecret();
  header.event('server_connect', {});
  header.event('server_connect');
  assert.deepEqual([await header.next(), await header.next()], Array(2).fill({ type: 'server_connect', data: true }));
  using body = await new Socket(url()).open();
  body.event('server_connect', { auth: SECRET });
  assert.deepEqual(await body.next(), { type: 'server_connect', data: true });
  using wrongHeader = await withSecret('wrong');
  wrongHeader.event('server_connect', { auth: SECRET });
  assert.deepEqual(await wrongHeader.next(), { type: 'server_connect', data: true });
  for (const data of [undefined, {}, { auth: 'wrong' }, { auth: '' }, { auth: 1 }, 'x']) {
    using refused = await new Socket(url()).open();
    refused.event('server_connect', data);
    assert.deepEqual(await refused.next(), { type: 'server_connect', data: false });
    assert.deepEqual(await refused.end(), { code: 1000, reason: '' });
  }
  for (const secret of ['wrong', '1234678', ' ']) {
    using refused = await withSecret(secret);
    refused.event('server_connect', {});
    assert.deepEqual(await refused.next(), { type: 'server_connect', data: false });
    assert.deepEqual(await refused.end(), { code: 1000, reason: '' });
  }
});

test('jssocket:9 a client right behind a core that sends its secret in the event is not lost', async () => {
  using core = await new Socket(url()).open();
  using page = await Page.visit(edge.port);
  core.event('server_connect', { auth: SECRET });
  page.event('client_connect', {});
  assert.deepEqual(await core.next(), { type: 'server_connect', data: true });
  const asked = await core.next();
  assert.match(JSON.stringify(asked), /client_connect/);
});

test("jssocket:11 the core gets a binary message: the client's data, with its target replaced in place", async () => {
  using core = await withSecret();
  core.event('server_connect');
  await core.next();
  using page = await Page.visit(edge.port);
  page.send('{"type":"client_connect","data":{"10":1.0, "token" : "Ünï","target":"forged","__proto__":{"a":9007199254740993},"2":null}}');
  const text = await core.text();
  const target = /"target":"([^"]+)"/.exec(text)?.[1] ?? '';
  assert.notEqual(target, 'forged');
  assert.equal(
    text,
    `{"type":"client_connect","data":{"10":1.0,"token" : "Ünï","target":"${target}","__proto__":{"a":9007199254740993},"2":null}}`,
  );
  assert.deepEqual(core.binary, [false, true]);
  core.send(
    `{"type":"client_connected","data":{"target":"${target}","n":1.0,"user":"g","__proto__":{"a":9007199254740993},"authenticated":true}}`,
  );
  assert.equal(
    await page.text(),
    `{"type":"client_connected","data":{"target":"${target}","n":1.0,"__proto__":{"a":9007199254740993},"authenticated":true}}`,
  );
});

test('jssocket:12 the bare core puts everybody into public and echoes the token', async () => {
  using _core = await Core.start(edge.port, { kind: 'bare' });
  using page = await Page.visit(edge.port);
  page.event('client_connect', { token: 't' });
  const answer = await page.next();
  assert.match(JSON.stringify(answer), /^\{"type":"client_connected","data":\{"token":"t","target":"[0-9a-f-]{36}"\}\}$/);
  page.event('notify_group', { data: 'to public' });
  assert.equal(await page.next(), 'to public');
});

test("jssocket:14 jssocket:38 logging in again as the same user keeps the group, and no client can end the core's connection", async () => {
  using core = await Core.start(edge.port);
  using ann = await Page.login(edge.port, 'token-ann');
  await ann.connectAs('token-ann');
  core.notifyGroup(USERS['token-ann'] ?? '', 'still here');
  assert.equal(await ann.next(), 'still here');
  // The original's core is cut off here: the group is gone when its first member logs in again.
  using other = await Page.login(edge.port, 'token-bob');
  await other.connectAs('token-ann');
  await ann.connectAs('token-ann');
  other.ws.terminate();
  await ann.connectAs('token-ann');
  for (const user of [['list'], { an: 'object' }, 7, true, 'x'.repeat(257)]) {
    core.socket.event('client_connected', { target: ann.target, user });
    assert.deepEqual(await ann.next(), { type: 'client_connected', data: { target: ann.target } });
    ann.event('notify_group', { target: 'public', data: 'now in public' });
    assert.equal(await ann.next(), 'now in public');
  }
  assert.equal(core.socket.closed, undefined);
});

test('jssocket:15 an unsolicited client_connected moves a client and notifies it; one about an unknown client does nothing', async () => {
  using core = await Core.start(edge.port);
  using page = await Page.login(edge.port);
  for (const target of [undefined, null, 7, '', 'nobody', '00000000-0000-4000-8000-000000000000', USERS['token-ann']]) {
    core.socket.event('client_connected', { target, user: 'elsewhere' });
  }
  core.socket.event('client_connected', { target: page.target, user: 'room', welcome: true });
  assert.deepEqual(await page.next(), { type: 'client_connected', data: { target: page.target, welcome: true } });
  core.notifyGroup('public', 'no longer mine');
  core.notifyGroup('room', 'mine');
  assert.equal(await page.next(), 'mine');
  // A client that never sent client_connect cannot be labelled, and a client cannot label anybody.
  page.event('client_connected', { target: page.target, user: 'own choice' });
  core.notifyGroup('own choice', 'no');
  await nothingElse(page);
});

test('jssocket:16 client_disconnect closes its sender with 1000, and only that one', async () => {
  using core = await Core.start(edge.port);
  using page = await Page.login(edge.port);
  using other = await Page.login(edge.port);
  page.event('client_disconnect', { target: other.target });
  assert.deepEqual(await page.end(), { code: 1000, reason: '' });
  await nothingElse(other);
  using fresh = await Page.visit(edge.port);
  fresh.event('client_disconnect', 'whatever');
  assert.deepEqual(await fresh.end(), { code: 1000, reason: '' });
  core.socket.event('client_disconnect');
  assert.deepEqual(await core.socket.end(), { code: 1000, reason: '' });
});

test('jssocket:10 ids are version 4 UUIDs, alike in their first part and in nothing else', async () => {
  using _core = await Core.start(edge.port);
  const ids = new Set<string>();
  for (let at = 0; at < 20; at += 1) {
    using page = await Page.login(edge.port);
    ids.add(page.target);
  }
  assert.equal(ids.size, 20);
  assert.equal(new Set([...ids].map((id) => id.slice(0, 8))).size, 1);
  assert.equal(new Set([...ids].map((id) => id.slice(9))).size, 20);
});

test('jssocket:36 a connection that ends is gone at once, however it ends', async () => {
  using core = await Core.start(edge.port);
  using stays = await Page.login(edge.port, 'token-ann');
  for (const leave of [(page: Page) => page.ws.close(1000), (page: Page) => page.ws.close(), (page: Page) => page.ws.terminate()]) {
    using page = await Page.login(edge.port, 'token-ann');
    leave(page);
    await page.end();
    const before = page.texts.length;
    core.notifyGroup(USERS['token-ann'] ?? '', 'who is here?');
    assert.equal(await stays.next(), 'who is here?');
    assert.equal(page.texts.length, before);
  }
});

test("jssocket:30 a ping comes after twenty seconds by default, and a client's own ping is answered", async () => {
  const { settings } = await import('../src/config.ts');
  assert.deepEqual([settings.pingIntervalMs.fallback, settings.pongTimeoutMs.fallback], Array(2).fill({ kind: 'value', value: 20_000 }));
  using page = await Page.visit(edge.port);
  const pong = new Promise((resolve) => page.ws.once('pong', (data) => resolve(String(data))));
  page.ws.ping('hello');
  assert.equal(await pong, 'hello');
});

test('jssocket:8 a publisher may do what a core may without server_connect, and gets no logins', async () => {
  using publisher = await Publisher.start(edge.port);
  using core = await Core.start(edge.port);
  using page = await Page.login(edge.port);
  publisher.socket.event('notify_all', 'to all');
  publisher.socket.event('client_connected', { target: page.target, user: 'room' });
  publisher.socket.event('notify_group', { target: 'room', data: 'to the room' });
  assert.deepEqual(
    [await page.next(), await page.next(), await page.next()],
    ['to all', { type: 'client_connected', data: { target: page.target } }, 'to the room'],
  );
  assert.deepEqual([publisher.socket.texts.length, core.asked.length], [0, 1]);
});
