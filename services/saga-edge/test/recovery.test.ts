import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { io, type Socket } from 'socket.io-client';
import { Client, type Session, session } from './client.ts';
import { ADMIN, type System, startSystem } from './system.ts';

let system: System;
let here: string;
let there: string;
let boss: Session;
const open: { close(): void }[] = [];

before(async () => {
  system = await startSystem({ saga: { SAGA_RECOVERY_MS: '60000' } });
  here = system.saga.url;
  there = (await system.start('saga-edge')).url;
  boss = await session(here, ADMIN);
  open.push(boss);
});
after(async () => {
  for (const client of open) client.close();
  await system[Symbol.asyncDispose]();
});

/** A stock client that asks for recovery. */
async function recoverable(url: string): Promise<{ readonly client: Client; readonly socket: Socket }> {
  const socket = io(url, { transports: ['websocket'], forceNew: true, reconnection: false, auth: { recovery: true } });
  const client = new Client(socket);
  open.push(client);
  assert.equal((await client.send('authentication', { accessToken: boss.token })).status_code, 200);
  return { client, socket };
}

/** Cuts the connection without a goodbye. */
async function cut({ client, socket }: { readonly client: Client; readonly socket: Socket }): Promise<void> {
  const before = client.reason;
  client.reason = undefined;
  socket.io.engine.close();
  await client.until(() => client.reason !== undefined, `a disconnect after ${before}`);
}

/** Comes back, to any replica. */
async function comeBack(socket: Socket, url: string): Promise<boolean> {
  // What the client calls its address; it has no other way to change it, as a load balancer has.
  (socket.io as unknown as { uri: string }).uri = url;
  const connected = new Promise<void>((resolve) => socket.once('connect', () => resolve()));
  socket.connect();
  await connected;
  return socket.recovered;
}

const values = (client: Client): unknown[] => client.events('/properties').map(({ value }) => value);

test('saga:17 saga:41 a client that reconnects to any replica has the same session and what it missed, once and in order', async () => {
  const bot = (await boss.api('POST', '/bots', { name: 'recovered' })).body._id;
  const set = (value: number) => boss.api('PUT', `/bots/${bot}/properties/a`, { value });
  const both = await recoverable(here);
  const { client, socket } = both;
  await client.send('/bots/join', bot);
  await client.send('/globals/join');
  const { id } = socket;
  await set(1);
  await client.next('/properties');

  await cut(both);
  await set(2);
  await boss.send('/users/message', { user_id: boss.me, bot_id: bot, body: 'missed' });
  await boss.api('PUT', '/globals/properties/b', { value: 3 });
  assert.equal(await comeBack(socket, there), true);
  assert.equal(socket.id, id);
  await set(4);
  await client.next('/properties', 4);
  assert.deepEqual(values(client), [1, 2, 3, 4]);
  assert.deepEqual(
    client.log.flatMap((entry) => ('ev' in entry && entry.ev.startsWith('/messages') ? [[entry.ev, entry.payload.body]] : [])),
    [
      ['/messages/incoming', 'missed'],
      ['/messages', 'missed'],
    ],
  );
  const sortable = client.log.flatMap((entry) => ('ev' in entry && entry.ev === '/properties' ? [entry.payload.sortable_id] : []));
  assert.deepEqual(
    sortable,
    [...sortable].sort((one, other) => one - other),
  );
  // It is the one who it was: rights and joins are as before.
  assert.equal((await client.send('/bots/properties', { parent_id: bot, name: 'a', value: 5 })).status_code, 200);
  assert.equal(values(client).at(-1), 5);

  // And again, back to the first one.
  await cut(both);
  await set(6);
  assert.equal(await comeBack(socket, here), true);
  await client.next('/properties', 6);
  assert.deepEqual(values(client), [1, 2, 3, 4, 5, 6]);
});

test('a session without any events is recovered too, with the rooms joined last and nothing from before', async () => {
  const bot = (await boss.api('POST', '/bots', { name: 'quiet' })).body._id;
  const late = (await boss.api('POST', '/bots', { name: 'late' })).body._id;
  const both = await recoverable(here);
  const { client, socket } = both;
  await client.send('/bots/join', bot);
  await boss.api('PUT', `/bots/${late}/properties/a`, { value: 'before' });
  await client.send('/bots/join', late);
  await cut(both);
  await boss.api('PUT', `/bots/${late}/properties/a`, { value: 'missed' });
  assert.equal(await comeBack(socket, there), true);
  await client.next('/properties');
  await boss.api('PUT', `/bots/${bot}/properties/a`, { value: 'after' });
  await client.next('/properties', 2);
  assert.deepEqual(values(client), ['missed', 'after']);
});

test('a client that is unknown, has lost its rights or did not request recovery gets a new session', async () => {
  const bot = (await boss.api('POST', '/bots', { name: 'anew' })).body._id;
  const both = await recoverable(here);
  await both.client.send('/bots/join', bot);
  await cut(both);
  const thief = new Client(io(here, { transports: ['websocket'], forceNew: true, reconnection: false, auth: { pid: 'x', offset: '1.e' } }));
  open.push(thief);
  assert.equal((await thief.send('/bots/join', bot)).status_code, 401);
  assert.equal(await comeBack(both.socket, here), true);
  both.client.reason = undefined;
  both.client.emit('authentication', { accessToken: 'x.y.z' });
  await both.client.until(() => both.client.reason === 'io server disconnect', 'the end');
  assert.equal(await comeBack(both.socket, there), false);
  assert.equal((await both.client.send('/bots/join', bot)).status_code, 401, 'it has to say again who it is');

  const plain = io(here, { transports: ['websocket'], forceNew: true, reconnection: false });
  const silent = new Client(plain);
  open.push(silent);
  const heard: unknown[][] = [];
  plain.onAny((...args: unknown[]) => heard.push(args));
  await silent.send('authentication', { accessToken: boss.token });
  await silent.send('/bots/join', bot);
  await silent.send('/bots/properties', { parent_id: bot, name: 'a', value: 1 });
  assert.deepEqual(
    heard.map((args) => [args[0], args.length]),
    [
      ['authenticated', 2],
      ['/properties', 2],
    ],
    'events have one argument for those who did not ask',
  );
  await cut({ client: silent, socket: plain });
  assert.equal(await comeBack(plain, here), false);
});

test('a client whose old connection still seems open resumes its session: the old connection is closed', async () => {
  const bot = (await boss.api('POST', '/bots', { name: 'half-open' })).body._id;
  const { client, socket } = await recoverable(here);
  await client.send('/bots/join', bot);
  await boss.api('PUT', `/bots/${bot}/properties/a`, { value: 1 });
  await client.next('/properties');
  const { _pid: pid, _lastOffset: offset } = socket as unknown as { readonly _pid: string; readonly _lastOffset: string };
  const next = io(there, { transports: ['websocket'], forceNew: true, reconnection: false, auth: { pid, offset, recovery: true } });
  const successor = new Client(next);
  open.push(successor);
  await client.until(() => client.reason !== undefined, 'the end of the old connection');
  await boss.api('PUT', `/bots/${bot}/properties/a`, { value: 2 });
  await successor.next('/properties');
  assert.deepEqual(values(successor), [2]);
  assert.equal(next.id, socket.id ?? next.id);
});
