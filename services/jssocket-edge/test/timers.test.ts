/** What happens after a while: pings, logins that are not answered, and those that are sent again. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { ManualClock } from '@polyedge/edge-kit/testing/manual-clock';
import { Core, Page, SECRET, USERS } from './doubles.ts';
import { startEdge } from './edge.ts';
import { Socket } from './socket.ts';

test('jssocket:40 a core or publisher that does not answer pings is dropped without a close frame; a client is closed 1011', async () => {
  const clock = new ManualClock();
  await using impatient = await startEdge(
    { JSSOCKET_PING_INTERVAL_MS: '100', JSSOCKET_PONG_TIMEOUT_MS: '200', JSSOCKET_TRUSTED_PONG_TIMEOUT_MS: '300' },
    { clock },
  );
  const silent = { autoPong: false };
  using core = new Socket(`ws://127.0.0.1:${impatient.port}/ws`, { ...silent, headers: { auth: SECRET } });
  using client = new Socket(`ws://127.0.0.1:${impatient.port}/ws`, silent);
  using good = new Socket(`ws://127.0.0.1:${impatient.port}/ws`);
  for (const socket of [core, client, good]) await socket.open();
  /** Lets 100 ms pass; what the good one answers has arrived when its ping behind that is answered. */
  const pass = async (pings: number) => {
    clock.advance(100);
    await good.until(() => good.pings.length >= pings);
    good.ws.ping();
    await once(good.ws, 'pong');
  };
  // The timers of the edge are at most a tick of ten milliseconds late.
  clock.advance(10);
  await pass(1);
  await pass(2);
  assert.deepEqual([client.closed, core.closed], [undefined, undefined]);
  await pass(3);
  assert.deepEqual(await client.end(), { code: 1011, reason: 'keepalive ping timeout' });
  assert.equal(core.closed, undefined);
  await pass(4);
  assert.equal((await core.end()).code, 1006);
  for (let pings = 5; pings <= 8; pings += 1) await pass(pings);
  assert.equal(good.closed, undefined);
});

test('jssocket:35 a core that never reads can publish, and logins go to the others', async () => {
  const clock = new ManualClock();
  await using lone = await startEdge({}, { clock });
  using worker = await Core.start(lone.port, { neverReads: true });
  using page = await Page.visit(lone.port);
  page.event('client_connect', {});
  const arrived = async () => {
    page.ws.ping();
    await once(page.ws, 'pong');
  };
  await arrived();
  using core = await Core.start(lone.port);
  // Asked first, the worker does not answer; after three seconds the other one is asked.
  clock.advance(2900);
  await arrived();
  assert.deepEqual([page.left, core.asked], [[], []]);
  clock.advance(200);
  const answer = await page.next();
  assert.match(JSON.stringify(answer), /client_connected/);
  const target = String(core.asked[0]?.target);
  worker.notifyClient(target, 'from the worker');
  assert.equal(await page.next(), 'from the worker');
});

test('jssocket:34 a late second answer that changes nothing is not passed on', async () => {
  const clock = new ManualClock();
  await using lone = await startEdge({}, { clock });
  using slow = await Core.start(lone.port, { isHeld: true });
  using page = await Page.visit(lone.port);
  page.event('client_connect', { token: 'token-ann' });
  await slow.socket.until(() => slow.asked.length === 1);
  using _quick = await Core.start(lone.port);
  clock.advance(3100);
  assert.match(JSON.stringify(await page.next()), /client_connected/);
  slow.release();
  slow.notifyAll('after the late answer');
  assert.equal(await page.next(), 'after the late answer');
});

test('jssocket:49 the login of a connected client is sent to a core again; the client is notified only when its group changes', async () => {
  await using lone = await startEdge({ JSSOCKET_RECHECK_MS: '50' });
  const users: Record<string, string> = { ...USERS };
  using core = await Core.start(lone.port, { userOf: (token) => users[token] });
  using page = await Page.login(lone.port, 'token-ann');
  await page.until(() => core.asked.length >= 4);
  assert.deepEqual(core.asked[3], core.asked[0]);
  core.socket.event('notify_group', { target: users['token-ann'], data: 'still in' });
  assert.equal(await page.next(), 'still in');
  // The token counts no more.
  delete users['token-ann'];
  assert.deepEqual(await page.next(), { type: 'client_connected', data: { target: page.target, authenticated: false } });
  core.socket.event('notify_group', { target: USERS['token-ann'], data: 'not for it' });
  core.socket.event('notify_group', { data: 'for all' });
  assert.equal(await page.next(), 'for all');
  // While no core is there, nothing changes.
  core.socket.ws.terminate();
  using late = await Core.start(lone.port, { userOf: () => undefined });
  await page.until(() => late.asked.length > 0);
  assert.deepEqual(page.left, []);
});
