/** Notifications and callbacks: who receives them, in which form and order. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Core, Page, SECRET, USERS } from './doubles.ts';
import { edge, nothingElse } from './events-scene.ts';

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
