import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { until } from '@polyedge/testkit/until';
import { rest, type Session, session } from './client.ts';
import { ADMIN, type System, startSystem } from './system.ts';

let system: System;
let urls: readonly [string, string];
const open: Session[] = [];

before(async () => {
  system = await startSystem();
  const other = await system.start('saga-edge');
  urls = [system.saga.url, other.url];
});
after(async () => {
  for (const client of open) client.close();
  await system[Symbol.asyncDispose]();
});

async function admin(url: string): Promise<Session> {
  const client = await session(url, ADMIN);
  open.push(client);
  return client;
}

test('saga:41 several replicas serve one population: properties, messages, signals and roles', async () => {
  const [here, there] = await Promise.all([admin(urls[0]), admin(urls[1])]);
  const bot = (await here.api('POST', '/bots', { name: 'shared' })).body._id;
  await there.send('/bots/join', bot);
  const ack = await here.send('/bots/properties', { parent_id: bot, name: 'a', value: 1 });
  await here.send('/users/message', { user_id: here.me, bot_id: bot, body: 'over' });
  await here.send('/bots/signals', { parent_id: bot, name: 'ping', value: 2 });
  assert.deepEqual(await there.next('/properties'), ack.body);
  assert.equal((await there.next('/messages/incoming')).body, 'over');
  assert.equal((await there.next('/signals')).value, 2);
  const made = await rest(urls[1])('POST', '/users/register', { username: 'two', password: 'two-password' });
  await here.api('POST', '/roles', { title: 'Everywhere', permissions: [{ path: '/bots', action: 'post', allow: true }] });
  await here.api('PUT', `/users/${made.body._id}/roles`, { role: 'Everywhere' });
  const user = rest(urls[1], made.body.accessToken);
  await until('the role reaches the other replica', async () => (await user('POST', '/bots', { name: 'x' })).status === 200);
});

test('saga:41 roles that are made, and given to one user, on two edges at once are all there afterwards', async () => {
  const bosses = await Promise.all([admin(urls[0]), admin(urls[1])]);
  const boss = (at: number): Session => bosses[at % 2] as Session;
  const titles = Array.from({ length: 6 }, (_, at) => `At once ${at}`);
  const permissions = [{ path: '/bots', action: 'post', allow: true }];
  await Promise.all(titles.map((title, at) => boss(at).api('POST', '/roles', { title, permissions })));
  const missingAt = async (edge: number): Promise<readonly string[]> => {
    const known: readonly { readonly title: string }[] = (await boss(edge).api('GET', '/roles')).body;
    return titles.filter((title) => !known.some((role) => role.title === title));
  };
  // An edge knows its own writes at once, and those of the other one when the directory has announced them.
  for (const edge of [0, 1]) {
    const own = titles.filter((_, at) => at % 2 === edge);
    const missing = await missingAt(edge);
    assert.deepEqual(
      own.filter((title) => missing.includes(title)),
      [],
    );
  }
  await until('both edges know all roles', async () => (await Promise.all([0, 1].map(missingAt))).flat().length === 0);
  const user = (await rest(urls[0])('POST', '/users/register', { username: 'many-roles', password: 'a-good-password' })).body._id;
  const given = await Promise.all(titles.map((role) => boss(0).api('PUT', `/users/${user}/roles`, { role })));
  assert.deepEqual(
    given.map(({ status }) => status),
    titles.map(() => 200),
  );
  const shown = (await boss(0).api('GET', `/users/${user}`)).body.roles;
  assert.deepEqual(
    titles.filter((title) => !shown.includes(title)),
    [],
    JSON.stringify(shown),
  );
});

test('saga:10 saga:17 saga:41 two thousand increments from forty sockets on two edges survive a killed graph-store: an exact sum, each value once and in order', async () => {
  const second = await system.start('graph-store');
  const sockets = await Promise.all(Array.from({ length: 40 }, (_, at) => admin(urls[at % 2 === 0 ? 0 : 1])));
  const [first] = sockets;
  assert.ok(first !== undefined);
  const bot = (await first.api('POST', '/bots', { name: 'counter' })).body._id;
  await Promise.all(sockets.map((client) => client.send('/bots/join', bot)));
  let answered = 0;
  let killed: Promise<unknown> | undefined;
  const increment = async (client: Session): Promise<void> => {
    for (let at = 0; at < 50; at += 1) {
      const ack = await sendPatiently(client, bot);
      assert.equal(ack.status_code, 200, JSON.stringify(ack));
      answered += 1;
      if (answered === 700) killed = Promise.resolve(second.kill());
    }
  };
  await Promise.all(sockets.map(increment));
  await killed;
  const expected = Array.from({ length: 2000 }, (_, at) => at + 1);
  await Promise.all(sockets.map((client) => client.next('/properties', 2000)));
  for (const client of sockets) {
    const events = client.events('/properties');
    assert.deepEqual(
      events.map(({ value }) => value),
      expected,
    );
    assert.ok(events.every(({ sortable_id }, at) => at === 0 || sortable_id > events[at - 1].sortable_id));
  }
  assert.equal((await first.api('GET', `/bots/${bot}/properties/n`)).body.value, 2000);
});

/** The store that was killed is missed for some seconds at most. */
function sendPatiently(client: Session, bot: string): Promise<{ readonly status_code: number }> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error('no answer to an increment')), 60_000);
    client.socket.emit('/bots/properties/incr', { name: 'n', parent_id: bot, value: 1 }, (ack: { readonly status_code: number }) => {
      clearTimeout(late);
      resolve(ack);
    });
  });
}

test('saga:36 written data is there after a restart, and sortable ids continue', async () => {
  const before_ = await admin(urls[0]);
  const bot = (await before_.api('POST', '/bots', { name: 'lasting' })).body._id;
  const first = await before_.send('/bots/properties/incr', { parent_id: bot, name: 'n', value: 1 });
  await system.store.restart();
  const edge = await system.start('saga-edge');
  const client = await session(edge.url, ADMIN);
  open.push(client);
  await client.send('/bots/join', bot);
  const second = await client.send('/bots/properties/incr', { parent_id: bot, name: 'n', value: 1 });
  assert.equal(second.body.value, 2);
  assert.ok(second.body.sortable_id > first.body.sortable_id);
  const list = await client.api('GET', `/bots/${bot}/properties/n/values`);
  assert.deepEqual(
    list.body.map(({ value }: { value: number }) => value),
    [2, 1],
  );
});
