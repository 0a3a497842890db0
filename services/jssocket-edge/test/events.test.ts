import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ManualClock } from '@polyedge/edge-kit/testing/manual-clock';
import { localBus } from '@polyedge/service-kit/local-bus';
import type { Span } from '@polyedge/service-kit/spans';
import { Core, Page, Publisher, SECRET, USERS } from './doubles.ts';
import { type LoneEdge, startEdge } from './edge.ts';
import { Socket } from './socket.ts';

let edge: LoneEdge;
before(async () => {
  // Nothing that is tested with it may wait for a timer: the scraper gives up after two seconds without a frame, and a page reconnects.
  edge = await startEdge({}, { clock: new ManualClock() });
});
after(() => edge[Symbol.asyncDispose]());

const url = () => `ws://127.0.0.1:${edge.port}/ws`;
const withSecret = (secret = SECRET) => new Socket(url(), { headers: { auth: secret } }).open();
/** Nothing more comes: the answer to a further event is the very next message. */
async function nothingElse(page: Page): Promise<void> {
  page.event('notify_client', { data: 'nothing else' });
  assert.equal(await page.next(), 'nothing else');
}

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

test('jssocket:17 jssocket:20 who may notify whom: the table of the specification', async () => {
  using core = await Core.start(edge.port);
  using fresh = await Page.visit(edge.port);
  using waiting = await Page.visit(edge.port);
  using ann = await Page.login(edge.port, 'token-ann');
  core.hold();
  waiting.event('client_connect');
  await core.socket.until(() => core.asked.length === 2);
  const waitingId = String(core.asked[1]?.target);
  for (const page of [fresh, waiting]) {
    page.event('notify_client', { target: ann.target, data: 'no', callback: 1 });
    page.event('notify_group', { target: 'public', data: 'no', callback: 1 });
    page.event('notify_group', { target: ['not even', 'read'], data: 'no' });
    page.event('notify_client', 'not even read');
    page.event('notify_all', 'no');
    page.event('client_connected', { target: ann.target, user: 'x' });
  }
  // One that is not confirmed yet can be reached by its id and by notify_all, but is in no group.
  ann.event('notify_client', { target: waitingId, data: 'to you' });
  ann.event('notify_group', { target: waitingId, data: 'to your group' });
  assert.equal(await waiting.next(), 'to you');
  core.notifyAll('to all');
  assert.equal(await waiting.next(), 'to all');
  core.release();
  assert.deepEqual(await waiting.next(), { type: 'client_connected', data: { target: waitingId, authenticated: false } });
  assert.equal(await ann.next(), 'to all');
  // A group's name is no client's id.
  ann.event('notify_client', { target: 'public', data: 'no' });
  ann.event('notify_client', { target: USERS['token-ann'], data: 'no' });
  ann.event('notify_all', 'no');
  // An anonymous client may notify anybody.
  waiting.event('notify_client', { target: ann.target, data: 'from public' });
  waiting.event('notify_group', { target: USERS['token-ann'], data: 'from public' });
  assert.deepEqual([await ann.next(), await ann.next()], ['from public', 'from public']);
  await nothingElse(ann);
  assert.deepEqual([fresh.texts, waiting.left], [[], []]);
});

test("jssocket:18 the target of notify_group: nothing is public, a client's id is its group, else a name, and the sender receives it too", async () => {
  using core = await Core.start(edge.port);
  using ann = await Page.login(edge.port, 'token-ann');
  using anybody = await Page.login(edge.port);
  for (const target of [undefined, null, '', 0, false, [], {}]) {
    ann.event('notify_group', { target, data: 'public' });
    assert.equal(await anybody.next(), 'public');
  }
  ann.event('notify_group', { target: USERS['token-ann'], data: 'own' });
  ann.event('notify_group', { target: ann.target, data: 'own by id' });
  anybody.event('notify_group', { target: 'public', data: 'echo' });
  assert.deepEqual([await ann.next(), await ann.next(), await anybody.next()], ['own', 'own by id', 'echo']);
  for (const target of [7, true, 'nobody', core.asked[0] === undefined ? '' : 'x'.repeat(5000)]) {
    ann.event('notify_group', { target, data: 'no', callback: 'done' });
    assert.deepEqual(await ann.next(), { type: 'callback', data: 'done' });
  }
  // An id wins over a group of that name; once its client has gone it is a name again.
  using squatter = await Page.login(edge.port);
  core.socket.event('client_connected', { target: squatter.target, user: ann.target });
  await squatter.next();
  anybody.event('notify_group', { target: ann.target, data: 'to ann' });
  assert.equal(await ann.next(), 'to ann');
  ann.ws.terminate();
  await ann.end();
  let heard: unknown;
  for (let tries = 0; heard === undefined && tries < 100; tries += 1) {
    anybody.event('notify_group', { target: ann.target, data: 'to the name', callback: 'asked' });
    assert.deepEqual(await anybody.next(), { type: 'callback', data: 'asked' });
    if (squatter.left.length > 0) heard = await squatter.next();
  }
  assert.equal(heard, 'to the name');
});

test('jssocket:21 jssocket:22 the callback comes after the delivery, for any target, and never ends the sender', async () => {
  using core = await Core.start(edge.port);
  using page = await Page.login(edge.port);
  page.event('notify_client', { data: 'first', callback: 'second' });
  assert.deepEqual([await page.next(), await page.next()], ['first', { type: 'callback', data: 'second' }]);
  for (const callback of ['id', 1.5, true, { a: [1] }, ['x']]) {
    page.event('notify_client', { target: 'nobody', data: 1, callback });
    assert.deepEqual(await page.next(), { type: 'callback', data: callback });
    page.event('notify_group', { target: 'nobody', data: 'text', callback });
    assert.deepEqual(await page.next(), { type: 'callback', data: callback });
  }
  for (const callback of [0, '', false, null, [], {}]) page.event('notify_client', { target: 'nobody', data: 1, callback });
  page.event('notify_group', { target: 'public', data: { callback: 'in the payload' } });
  assert.deepEqual([await page.next(), await page.next()], [{ callback: 'in the payload' }, { type: 'callback', data: 'in the payload' }]);
  page.event('notify_group', { target: 'public', data: { callback: 'inside' }, callback: 'outside' });
  assert.deepEqual([await page.next(), await page.next()], [{ callback: 'inside' }, { type: 'callback', data: 'outside' }]);
  core.socket.event('notify_all', { data: 'x', callback: 'none' });
  assert.deepEqual(await page.next(), { data: 'x', callback: 'none' });
  core.socket.event('notify_group', { target: 'public', data: 'plain', callback: 'for the core' });
  assert.equal(await page.next(), 'plain');
  await core.socket.until(() => core.socket.texts.includes('{"type":"callback","data":"for the core"}'));
  await nothingElse(page);
});

test('jssocket:19 jssocket:23 jssocket:24 jssocket:25 payloads arrive exactly as written; values that are false in Python arrive as {}', async () => {
  using core = await Core.start(edge.port);
  using page = await Page.login(edge.port);
  const payloads = [
    '{"a":1.0,"b":9007199254740993,"10":1,"2":2,"__proto__":{"x":1},"constructor":null}',
    '1.0',
    '12345678901234567890123',
    '-0.5e-7',
    'true',
    '"text"',
    '"\\u00fc ü \\ud83d\\ude00 😀 \\u2028"',
    '[1,[2,{"a":[]}]]',
    '{ "white" :\t[ 1 , 2 ] }',
    '{"twice":1,"twice":2}',
  ];
  for (const payload of payloads) {
    page.send(`{"type":"notify_client","data":{"data":${payload}}}`);
    page.send(Buffer.from(` {"data":{"data":${payload},"target":"public"},"type":"notify_group"} `));
    core.socket.send(`{"type":"notify_all","data":${payload}}`);
    assert.deepEqual([await page.text(), await page.text(), await page.text()], [payload, payload, payload]);
  }
  assert.deepEqual(new Set(page.binary), new Set([false]));
  for (const payload of ['null', 'false', '0', '-0.0', '0e9', '""', '[]', '{ }', '[\n]']) {
    core.socket.send(`{"type":"notify_all","data":${payload}}`);
    page.send(`{"type":"notify_client","data":{"data":${payload}}}`);
    assert.deepEqual([await page.text(), await page.text()], ['{}', '{}']);
  }
  page.event('notify_client');
  page.event('notify_client', null);
  page.event('notify_client', []);
  assert.deepEqual([await page.text(), await page.text(), await page.text()], ['{}', '{}', '{}']);
});

test('jssocket:26 what cannot be read ends a client with 1011 and is ignored from a core', async () => {
  using core = await Core.start(edge.port);
  const unreadable = [
    '',
    'x',
    '[]',
    '7',
    '"x"',
    'null',
    '{}',
    '{"data":{}}',
    '{"type":{}}',
    '{"type":[]}',
    '{"type":"x"',
    '\ufeff{"type":"x"}',
    '{"type":"x","data":NaN}',
    '{"type":"x","data":1e999}',
    "{'type':'x'}",
    '{"type":"x",}',
    '{"type":"x","data":01}',
    '{"type":"x","data":"\t"}',
    `{"type":"x","data":${'['.repeat(2000)}${']'.repeat(2000)}}`,
    '{"type":"client_connect","data":"text"}',
    '{"type":"client_connect","data":[1]}',
    Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d]),
  ];
  for (const message of unreadable) {
    using page = await Page.visit(edge.port);
    page.send(message);
    assert.equal((await page.end()).code, 1011, String(message).slice(0, 40));
  }
  for (const data of [{ target: ['x'] }, { target: { a: 1 } }, 'text', [1], 7]) {
    using page = await Page.login(edge.port);
    page.event('notify_client', data);
    assert.equal((await page.end()).code, 1011);
    core.socket.event('notify_client', data);
    core.socket.event('client_connected', data);
  }
  for (const message of unreadable) core.socket.send(message);
  using page = await Page.login(edge.port);
  core.notifyAll('still here');
  assert.equal(await page.next(), 'still here');
  assert.ok(edge.lines.some((line) => line.includes('an event was ignored')));
});

test('jssocket:27 unknown types are ignored, whatever they look like', async () => {
  using _core = await Core.start(edge.port);
  using page = await Page.login(edge.port);
  for (const type of ['"connect"', '"__proto__"', '"constructor"', '"toString"', 'null', '7', 'true', '""'])
    page.send(`{"type":${type},"data":[1]}`);
  await nothingElse(page);
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

test('jssocket:22 whatever ends a client comes after its notifications and callbacks that are on their way', async () => {
  using core = await Core.start(edge.port);
  const ends: readonly [string, number, readonly unknown[]][] = [
    ['{"type":"client_disconnect"}', 1000, []],
    ['not JSON', 1011, []],
    ['{"type":"notify_client","data":7}', 1011, []],
    ['{"type":"server_connect","data":{"auth":"wrong"}}', 1000, [{ type: 'server_connect', data: false }]],
    ['{"type":"server_connect","data":{}}', 1000, [{ type: 'server_connect', data: false }]],
  ];
  for (const [last, code, answers] of ends) {
    using page = await Page.login(edge.port, 'token-ann');
    page.event('notify_client', { data: 'to myself', callback: 1 });
    page.event('notify_group', { target: USERS['token-ann'], data: 'to my group', callback: 2 });
    // Another client's group has to be asked for first.
    page.event('notify_group', { target: page.target.replace(/.{12}$/, '000000000000'), data: 'to nobody', callback: 3 });
    page.send(last);
    page.event('notify_client', { data: 'too late' });
    assert.equal((await page.end()).code, code);
    const callback = (data: number) => ({ type: 'callback', data });
    assert.deepEqual(
      page.left.map((text) => JSON.parse(text)),
      ['to myself', callback(1), 'to my group', callback(2), callback(3), ...answers],
      last,
    );
  }
  // An answer that does not travel keeps its place as well, and what follows is read.
  using page = await Page.login(edge.port);
  page.event('notify_client', { data: 'before', callback: 1 });
  page.event('server_connect', { auth: SECRET });
  page.event('notify_client', { data: 'after' });
  assert.deepEqual(
    [await page.next(), await page.next(), await page.next(), await page.next()],
    ['before', { type: 'callback', data: 1 }, { type: 'server_connect', data: true }, 'after'],
  );
  assert.ok(core.asked.length > 0);
});

test('jssocket:24 an escaped lone surrogate is a character like any other, in names and in payloads', async () => {
  using core = await Core.start(edge.port);
  using page = await Page.visit(edge.port);
  page.send('{"type":"client_connect","data":{"target":"\\ud800","x":"\\udc00\\ud800"}}');
  await core.socket.until(() => core.socket.texts.some((text) => text.includes('"x":"\\udc00\\ud800"')));
  assert.equal(((await page.next()) as { type: string }).type, 'client_connected');
  for (const type of ['notify_client', 'notify_group']) {
    page.send(`{"type":"${type}","data":{"target":"\\ud800","data":1,"callback":"\\ud800"}}`);
    assert.equal(await page.text(), '{"type":"callback","data":"\\ud800"}');
  }
  core.socket.event('client_connected', { target: String(core.asked.at(-1)?.target), user: '\ud800' });
  assert.match(await page.text(), /client_connected/);
  page.send('{"type":"notify_group","data":{"target":"\\uD800","data":{"\\udfff": "\\ud800"}}}');
  assert.equal(await page.text(), '{"\\udfff": "\\ud800"}');
});

test("a client's frame is traced, to its end", async () => {
  const story: string[] = [];
  const span = (name: string): Span => ({
    traceparent: name,
    run: (work) => {
      story.push(name);
      return work();
    },
    end: (result) => void story.push(`${name} ${result}`),
  });
  const spans = {
    frame: (edge: string, type: string) => span(`${edge} ${type}`),
    call: span,
    request: span,
    handler: span,
    step: span,
    current: () => undefined,
  };
  await using traced = await startEdge({}, { bus: Object.assign(localBus(), { spans }) });
  using page = await Page.visit(traced.port);
  page.event('server_connect', { auth: SECRET });
  assert.deepEqual(await page.next(), { type: 'server_connect', data: true });
  assert.deepEqual(story, ['client frame', 'client frame ok']);
});
