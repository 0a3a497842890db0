import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { until } from '@polyedge/testkit/until';
import { Core, Page, Publisher, SECRET, USERS } from './doubles.ts';
import { type Replicas, startReplicas } from './replicas.ts';
import { Socket } from './socket.ts';

let replicas: Replicas;
before(async () => {
  replicas = await startReplicas();
});
after(() => replicas[Symbol.asyncDispose]());

const a = () => replicas.a.port;
const b = () => replicas.b.port;

test('jssocket:6 jssocket:11 jssocket:12 jssocket:13 jssocket:17 jssocket:18 jssocket:28 jssocket:47 the sequence of the upstream test, for both revisions of the core on the other replica', async () => {
  for (const revision of ['A', 'B'] as const) {
    using core = await Core.start(b(), { revision });
    using page = await Page.visit(a());
    for (const token of [undefined, 'token-ann']) {
      await page.connectAs(token);
      page.event('notify_client', { target: page.target, data: { test: 1 } });
      assert.deepEqual(await page.next(), { test: 1 });
      page.event('notify_group', { target: page.target, data: { test: 2 } });
      assert.deepEqual(await page.next(), { test: 2 });
    }
    assert.deepEqual(
      core.asked.map((data) => Object.keys(data)),
      [['target'], ['token', 'target']],
    );
    assert.deepEqual(page.left, []);
    assert.deepEqual(core.socket.texts.length, 3, 'the core got its answer and two logins, nothing else');
    core.socket.ws.close();
    await core.socket.end();
  }
});

test('jssocket:47 jssocket:17 jssocket:18 jssocket:19 a core on one replica reaches clients, groups and everybody on both', async () => {
  using core = await Core.start(b());
  using annHere = await Page.login(b(), 'token-ann');
  using annThere = await Page.login(a(), 'token-ann');
  using anybody = await Page.login(a());
  using unconfirmed = await Page.visit(a());
  core.notifyClient(annThere.target, { for: 'one' });
  core.notifyGroup(USERS['token-ann'] ?? '', { for: 'ann' });
  core.notifyGroup(annHere.target, { for: 'the group of ann' });
  core.notifyGroup('public', { for: 'public' });
  core.notifyGroup(null, { for: 'public too' });
  core.notifyClient(null, { for: 'nobody' });
  core.notifyAll({ for: 'all' });
  const rest = async (page: Page) => {
    const heard: unknown[] = [];
    do heard.push(await page.next());
    while (JSON.stringify(heard.at(-1)) !== '{"for":"all"}');
    return heard;
  };
  assert.deepEqual(await rest(annThere), [{ for: 'one' }, { for: 'ann' }, { for: 'the group of ann' }, { for: 'all' }]);
  assert.deepEqual(await rest(annHere), [{ for: 'ann' }, { for: 'the group of ann' }, { for: 'all' }]);
  assert.deepEqual(await rest(anybody), [{ for: 'public' }, { for: 'public too' }, { for: 'all' }]);
  assert.deepEqual(unconfirmed.texts, [], 'who never sent client_connect hears nothing');
  assert.equal(core.socket.texts.length, core.asked.length + 1, 'and the core hears of logins only');
});

test('jssocket:18 jssocket:47 a core that confirms a login and notifies the group right behind it reaches the client, whichever replica it is on', async () => {
  using core = new Socket(`ws://127.0.0.1:${b()}/ws`, { headers: { auth: SECRET } });
  await core.open();
  core.event('server_connect', {});
  assert.deepEqual(await core.next(), { type: 'server_connect', data: true });
  core.ws.on('message', (message) => {
    const { type, data } = JSON.parse(String(message));
    if (type !== 'client_connect') return;
    core.event('client_connected', { target: data.target, user: data.name });
    core.event('notify_group', { target: data.name, data: { welcome: data.name } });
  });
  for (const port of [a(), b()]) {
    for (let at = 0; at < 10; at += 1) {
      using page = await Page.visit(port);
      page.event('client_connect', { name: `late-${port}-${at}` });
      await page.next();
      assert.deepEqual(await page.next(), { welcome: `late-${port}-${at}` });
    }
  }
});

test('jssocket:47 jssocket:18 a client notifies the group of a client on the other replica, in the order it sent', async () => {
  using _core = await Core.start(b());
  using ann = await Page.login(a(), 'token-ann');
  using annToo = await Page.login(b(), 'token-ann');
  using bob = await Page.login(b(), 'token-bob');
  for (let at = 0; at < 20; at += 1) {
    if (at % 2 === 0) bob.event('notify_group', { target: ann.target, data: { at } });
    else bob.event('notify_client', { target: ann.target, data: { at } });
  }
  for (let at = 0; at < 20; at += 1) assert.deepEqual(await ann.next(), { at });
  for (let at = 0; at < 20; at += 2) assert.deepEqual(await annToo.next(), { at });
  assert.deepEqual(bob.left, []);
});

test('jssocket:8 jssocket:21 jssocket:28 the scraper reports to a client on the other replica and reads one callback after each message', async () => {
  using core = await Core.start(a());
  using page = await Page.login(a());
  using publisher = await Publisher.start(b());
  for (let at = 0; at < 5; at += 1) {
    await publisher.progress(page.target, { at });
    assert.deepEqual(await page.next(), { type: 'scraper', data: { at } });
  }
  await publisher.progress('00000000-0000-4000-8000-000000000000', 'for nobody');
  assert.deepEqual(publisher.socket.left, []);
  assert.equal(core.asked.length, 1);
});

test('jssocket:33 jssocket:34 three cores take turns; when one is cut no login is lost', async () => {
  using one = await Core.start(a());
  using two = await Core.start(b());
  using three = await Core.start(b());
  const cores = [one, two, three];
  // Replica A hears of the cores of B within a second.
  const probes: Page[] = [];
  while (cores.some(({ asked }) => asked.length === 0)) probes.push(await Page.login(a()));
  const before = cores.map(({ asked }) => asked.length);
  for (let at = 0; at < 6; at += 1) probes.push(await Page.login(a()));
  assert.deepEqual(
    cores.map(({ asked }, at) => asked.length - (before[at] ?? 0)),
    [2, 2, 2],
  );
  two.socket.ws.terminate();
  for (let at = 0; at < 6; at += 1) probes.push(await Page.login(a()));
  for (const page of probes) page[Symbol.dispose]();
});

test('jssocket:34 a client that comes before any core, and one whose core leaves without an answer, are answered by the next core', async () => {
  using page = await Page.visit(a());
  page.event('client_connect', { token: 'token-ann', round: 1 });
  page.event('client_connect', { token: 'token-bob', round: 2 });
  // Both are taken when the ping behind them is answered.
  page.ws.ping();
  await once(page.ws, 'pong');
  using deaf = await Core.start(b(), { isHeld: true });
  await deaf.socket.until(() => deaf.asked.length >= 1);
  assert.equal(deaf.asked[0]?.round, 2, 'only the newest is kept');
  deaf.socket.ws.terminate();
  using core = await Core.start(b());
  assert.deepEqual(await page.next(), { type: 'client_connected', data: { round: 2, target: core.asked[0]?.target, authenticated: true } });
});

test('jssocket:39 when a replica ends, clients get 1001 and cores lose their connection without a close frame', async () => {
  const third = await replicas.start();
  using core = await Core.start(third.port);
  using revisionA = await Core.start(third.port, { revision: 'A' });
  using page = await Page.login(third.port);
  using publisher = await Publisher.start(third.port);
  await third.stop();
  assert.equal((await page.end()).code, 1001);
  for (const { socket } of [core, revisionA, publisher]) assert.equal((await socket.end()).code, 1006, 'no close frame');
});

test('jssocket:46 metrics count connections, logins and notifications, without ids or names', async () => {
  using _core = await Core.start(b());
  using page = await Page.login(b(), 'token-ann');
  const text = await (await fetch(replicas.b.metricsUrl)).text();
  for (const name of [
    'edge_connections',
    'edge_frames_in',
    'edge_slow_clients',
    'jssocket_asked',
    'jssocket_denied',
    'jssocket_cores',
    'jssocket_secrets_wrong',
  ]) {
    assert.match(text, new RegExp(`^${name}`, 'm'));
  }
  for (const secret of [page.target, USERS['token-ann'] ?? '', 'token-ann']) assert.ok(!text.includes(secret));
});

test('jssocket:34 jssocket:47 when a replica is killed, its clients` logins go to cores of the others', async () => {
  const third = await replicas.start();
  using deaf = await Core.start(third.port, { isHeld: true });
  using page = await Page.visit(a());
  page.event('client_connect', {});
  await deaf.socket.until(() => deaf.asked.length === 1);
  await third.kill();
  using core = await Core.start(b());
  assert.deepEqual(await page.next(), { type: 'client_connected', data: { target: core.asked[0]?.target, authenticated: false } });
});

test('jssocket:47 connections survive a restart of NATS, and messages flow again', async () => {
  using core = await Core.start(b());
  using page = await Page.login(a(), 'token-ann');
  await replicas.nats.restart();
  // What is sent while NATS is away is lost, as the page and the core know from the original.
  await until('messages flow again', () => {
    core.notifyGroup(USERS['token-ann'] ?? '', 'back');
    return page.left.length > 0;
  });
  assert.equal(await page.next(), 'back');
  assert.deepEqual([page.closed, core.socket.closed], [undefined, undefined]);
  using later = await Page.visit(a());
  later.event('client_connect', {});
  assert.match(JSON.stringify(await later.next()), /client_connected/);
});
