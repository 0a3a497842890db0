import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ManualClock } from '@polyedge/edge-kit/testing/manual-clock';
import { localBus } from '@polyedge/service-kit/local-bus';
import { until } from '@polyedge/testkit/until';
import { DEFAULT_AUTH } from '../src/server-secret.ts';
import { Core, Page, Publisher, SECRET, USERS } from './doubles.ts';
import { type LoneEdge, startEdge } from './edge.ts';
import { Socket } from './socket.ts';

let edge: LoneEdge;
before(async () => {
  edge = await startEdge();
});
after(() => edge[Symbol.asyncDispose]());

const MiB = 1024 * 1024;
const HASHES = 3;

test("jssocket:29 a client's message may be 1 MiB and not a byte more; the scraper's slices pass whatever is in them", async () => {
  using core = await Core.start(edge.port);
  using page = await Page.login(edge.port);
  const around = '{"type":"notify_client","data":{"data":""}}';
  page.send(around.replace('""', `"${'x'.repeat(MiB - around.length)}"`));
  assert.equal((await page.text()).length, MiB - around.length + 2);
  page.send(around.replace('""', `"${'x'.repeat(MiB - around.length + 1)}"`));
  assert.equal((await page.end()).code, 1009);
  using publisher = await Publisher.start(edge.port);
  using reader = await Page.login(edge.port);
  // A million characters, of which each becomes several bytes in JSON; Python escapes what is not ASCII.
  for (const character of ['x', '"', 'ü']) {
    const slice = JSON.stringify(character.repeat(1_000_000)).replaceAll('ü', '\\u00fc');
    publisher.socket.send(`{"type": "notify_client", "data": {"target": "${reader.target}", "callback": "c", "data": ${slice}}}`);
    assert.deepEqual(await publisher.socket.next(), { type: 'callback', data: 'c' });
    assert.equal(await reader.text(), slice);
  }
  assert.equal(core.socket.closed, undefined);
});

test('jssocket:9 wrong secrets, however many, do not hold up deliveries: they are hashed off the loop, before the 101', async () => {
  // On a clock that stands still nobody waits for too long, however slow the machine is.
  await using busy = await startEdge(
    { JSSOCKET_MAX_AUTH_FAILURES: '1000', JSSOCKET_MAX_FRAMES_PER_SECOND: '1000000', SOCKET_AUTH: DEFAULT_AUTH },
    { clock: new ManualClock() },
  );
  using _core = await Core.start(busy.port);
  using page = await Page.login(busy.port);
  const wrong = Array.from(
    { length: HASHES },
    (_, at) => new Socket(`ws://127.0.0.1:${busy.port}/ws`, { headers: { auth: `wrong ${at}` } }),
  );
  // One by one they become sockets; meanwhile the page talks to itself.
  let delivered = 0;
  while (wrong.some(({ ws, status }) => ws.readyState !== ws.OPEN && status === undefined)) {
    page.event('notify_client', { data: { delivered } });
    assert.deepEqual(await page.next(), { delivered });
    delivered += 1;
    // The page leaves the cores to the hashes.
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  for (const socket of wrong) socket[Symbol.dispose]();
  // Hashing on the loop would leave it one or two turns between two secrets, and a delivery takes three.
  assert.ok(delivered > 10 * HASHES, `${delivered} deliveries while ${HASHES} secrets were hashed`);
  const checked = busy.figure('jssocket_secrets_checked');
  assert.equal(checked, HASHES + 1, 'theirs and that of the core');
  using known = await new Socket(`ws://127.0.0.1:${busy.port}/ws`, { headers: { auth: SECRET } }).open();
  known.event('server_connect');
  await known.next();
  assert.equal(busy.figure('jssocket_secrets_checked'), checked, 'a secret that was right once is not hashed again');
});

test('jssocket:37 one stalled reader among a thousand is closed alone, and the others receive everything in order', async () => {
  // Its clock stands still: the others do not wait for a time-out of the stalled one.
  await using full = await startEdge({ JSSOCKET_MAX_BUFFERED_BYTES: String(MiB) }, { clock: new ManualClock() });
  using core = await Core.start(full.port);
  const pages: Page[] = [];
  for (let at = 0; at < 999; at += 100) {
    pages.push(...(await Promise.all(Array.from({ length: Math.min(100, 999 - at) }, () => Page.login(full.port)))));
  }
  const stalled = await Page.login(full.port, 'token-ann');
  stalled.ws.pause();
  const chunk = 'x'.repeat(512 * 1024);
  for (let round = 0; round < 30; round += 1) {
    core.notifyGroup(USERS['token-ann'] ?? '', chunk);
    core.notifyAll({ round });
    await Promise.all(pages.map(async (page) => assert.deepEqual(await page.next(), { round })));
  }
  stalled.ws.resume();
  const { code } = await stalled.end();
  assert.ok(code === 1013 || code === 1006, String(code));
  assert.ok(stalled.texts.length < 30, 'it did not get everything');
  for (const page of pages) page[Symbol.dispose]();
});

test('jssocket:44 a client that sends too fast is read more slowly, and nothing of it is lost', async () => {
  const clock = new ManualClock();
  await using slow = await startEdge({ JSSOCKET_MAX_FRAMES_PER_SECOND: '20' }, { clock });
  using core = await Core.start(slow.port);
  using page = await Page.login(slow.port);
  using other = await Page.login(slow.port);
  for (let at = 0; at < 60; at += 1) page.event('notify_client', { data: { at } });
  await page.until(() => page.left.length > 30);
  core.notifyClient(other.target, 'unaffected');
  assert.equal(await other.next(), 'unaffected');
  assert.ok(page.left.length <= 40, `${page.left.length} at once, of a burst of forty`);
  let passedMs = 0;
  await page.until(() => {
    if (page.left.length === 60) return true;
    clock.advance(100);
    passedMs += 100;
    return false;
  });
  for (let at = 0; at < 60; at += 1) assert.deepEqual(await page.next(), { at });
  assert.ok(passedMs >= 1000, `twenty more within ${passedMs} ms, of twenty a second`);
});

test('jssocket:44 connections are bounded, per address and together', async () => {
  await using small = await startEdge({
    JSSOCKET_MAX_CONNECTIONS_PER_ADDRESS: '2',
    JSSOCKET_TRUST_PROXY: 'true',
    JSSOCKET_MAX_CONNECTIONS: '3',
  });
  const from = (address: string) =>
    new Socket(`ws://127.0.0.1:${small.port}/ws`, { headers: { 'X-Forwarded-For': `9.9.9.9, ${address}` } });
  using one = await from('1.1.1.1').open();
  using _two = await from('1.1.1.1').open();
  using third = from('1.1.1.1');
  assert.equal(await third.until(() => third.status), 429);
  using _other = await from('2.2.2.2').open();
  using fourth = from('3.3.3.3');
  assert.equal(await fourth.until(() => fourth.status), 503);
  // The core does not count.
  using _core = await Core.start(small.port);
  one.ws.terminate();
  await one.end();
  await until('the place of a connection that is gone is free', async () => {
    using again = from('1.1.1.1');
    return (await again.until(() => again.ws.readyState === again.ws.OPEN || (again.status !== undefined && 'refused'))) === true;
  });
});

test('jssocket:44 connections of one user and those without a user are bounded; a freed place can be taken again', async () => {
  await using small = await startEdge({ JSSOCKET_MAX_PER_USER: '1', JSSOCKET_MAX_PUBLIC: '2' });
  using _core = await Core.start(small.port);
  using ann = await Page.login(small.port, 'token-ann');
  using second = await Page.visit(small.port);
  second.event('client_connect', { token: 'token-ann' });
  assert.equal((await second.end()).code, 1013);
  using _bob = await Page.login(small.port, 'token-bob');
  using _anybody = await Page.login(small.port);
  using _somebody = await Page.login(small.port);
  using third = await Page.visit(small.port);
  third.event('client_connect', {});
  assert.equal((await third.end()).code, 1013);
  ann.ws.terminate();
  await ann.end();
  // The edge learns of it when TCP tells it.
  await until('the place of a connection that is gone is free', async () => {
    using again = await Page.visit(small.port);
    again.event('client_connect', { token: 'token-ann' });
    return await Promise.race([again.next().then(() => true), again.end().then(() => false)]);
  });
});

test('jssocket:44 wrong secrets of one address are soon refused without a look; the right one passes once it was seen', async () => {
  await using throttled = await startEdge({ JSSOCKET_MAX_AUTH_FAILURES: '3', SOCKET_AUTH: DEFAULT_AUTH });
  using _core = await Core.start(throttled.port);
  const attempt = async (auth: string) => {
    using socket = await new Socket(`ws://127.0.0.1:${throttled.port}/ws`, { headers: { auth } }).open();
    socket.event('server_connect', { auth });
    return await socket.next();
  };
  const refused = { type: 'server_connect', data: false };
  for (let at = 0; at < 12; at += 1) assert.deepEqual(await attempt(`wrong ${at}`), refused);
  // Each sends its secret twice: in the handshake and in the event.
  const figures = ['checked', 'wrong', 'refused'].map((what) => throttled.figure(`jssocket_secrets_${what}`));
  assert.deepEqual(figures, [4, 3, 21], 'that of the core and three wrong ones are hashed');
  assert.deepEqual(await attempt(SECRET), { type: 'server_connect', data: true });
});

test("jssocket:45 a stricter policy: the public may not notify, or only one's own group; the default is the original's", async () => {
  await using strict = await startEdge({ JSSOCKET_PUBLIC_MAY_NOTIFY: 'false', JSSOCKET_CALLBACK_ON_DENIAL: 'true' });
  using _core = await Core.start(strict.port);
  using anybody = await Page.login(strict.port);
  using ann = await Page.login(strict.port, 'token-ann');
  anybody.event('notify_client', { target: ann.target, data: 'no', callback: 1 });
  anybody.event('notify_group', { target: USERS['token-ann'], data: 'no', callback: 2 });
  assert.deepEqual(
    [await anybody.next(), await anybody.next()],
    [1, 2].map((data) => ({ type: 'callback', data })),
  );
  ann.event('notify_client', { target: anybody.target, data: 'yes' });
  assert.equal(await anybody.next(), 'yes');
  assert.deepEqual(ann.left, []);

  await using closed = await startEdge({ JSSOCKET_ONLY_OWN_GROUP: 'true' });
  using core = await Core.start(closed.port);
  using one = await Page.login(closed.port, 'token-ann');
  using two = await Page.login(closed.port, 'token-ann');
  using bob = await Page.login(closed.port, 'token-bob');
  for (const target of [one.target, USERS['token-ann'], 'public']) {
    bob.event('notify_client', { target, data: 'no' });
    bob.event('notify_group', { target, data: 'no', callback: 'asked' });
    assert.deepEqual(await bob.next(), { type: 'callback', data: 'asked' });
  }
  two.event('notify_client', { target: one.target, data: 'to you' });
  two.event('notify_group', { target: one.target, data: 'to us' });
  assert.deepEqual([await one.next(), await one.next(), await two.next()], ['to you', 'to us', 'to us']);
  core.notifyClient(bob.target, 'the core may');
  assert.equal(await bob.next(), 'the core may');
});

test('jssocket:46 neither the secret nor a token is ever logged', async () => {
  await using lone = await startEdge({ JSSOCKET_LOG_FORWARDED: 'true' });
  using core = await Core.start(lone.port, { revision: 'A' });
  using page = await Page.login(lone.port, 'token-ann');
  using wrong = await new Socket(`ws://127.0.0.1:${lone.port}/ws?token=token-ann`, { headers: { auth: 'not-the-secret' } }).open();
  wrong.send('not JSON, with token-ann');
  assert.equal((await wrong.end()).code, 1011);
  core.socket.send('{"type":"client_connected","data":"token-ann"}');
  core.notifyAll('seen');
  assert.equal(await page.next(), 'seen');
  assert.ok(lone.lines.length >= 3);
  for (const line of lone.lines) assert.doesNotMatch(line, /token-ann|not-the-secret|12345678/);
});

test('jssocket:34 jssocket:47 when a core is cut, no login waits for a timer: those that it had go to the next one at once', async () => {
  await using parts = new AsyncDisposableStack();
  const bus = parts.adopt(localBus(), (one) => one.close());
  const clock = new ManualClock();
  await using one = await startEdge({}, { bus, clock });
  await using two = await startEdge({}, { bus, clock });
  using cut = await Core.start(two.port, { isHeld: true });
  using other = await Core.start(two.port);
  const pages: Page[] = [];
  for (let at = 0; at < 6; at += 1) {
    const page = await Page.visit(one.port);
    page.event('client_connect', {});
    pages.push(page);
  }
  await cut.socket.until(() => cut.asked.length + other.asked.length === pages.length);
  assert.ok(cut.asked.length > 0, 'the cores take turns');
  cut.socket.ws.terminate();
  for (const page of pages) {
    assert.match(JSON.stringify(await page.next()), /client_connected/);
    page[Symbol.dispose]();
  }
});
