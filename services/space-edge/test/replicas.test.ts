import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '@polyedge/testkit/until';
import { event, listen, RawSocket } from './sockets.ts';
import { newOrganization, pricing, Rest, startSystem } from './system.ts';

test('space:9 events leave once and in one order on every replica, also while graph-store is killed', async () => {
  await using system = await startSystem();
  const [one, other] = [system.space, await system.startSpace()];
  const { key } = await newOrganization(one.url);
  const clients = [new Rest(one.url, key), new Rest(other.url, key)] as const;
  await using first = await listen(one.url);
  await using second = await listen(other.url);
  const names = ['Alpha', 'Bravo', 'Charlie', 'Delta'];
  for (const name of names) assert.equal((await clients[0].upload('/services', pricing(name, '0'))).status, 201);

  let answered = 0;
  const busy = names.map(async (name, at) => {
    for (let version = 1; version <= 8; version += 1) {
      const added = await clients[version % 2 === at % 2 ? 0 : 1].upload(`/services/${name}/pricings`, pricing(name, String(version)));
      assert.equal(added.status, 201, JSON.stringify(added.body));
      answered += 1;
    }
  });
  await until('some answers', () => answered >= 6);
  await system.store.kill();
  await system.store.restart();
  await Promise.all(busy);

  const expected = names.flatMap((name) =>
    Array.from({ length: 9 }, (_, version) => JSON.stringify(event('PRICING_CREATED', name, String(version)))),
  );
  await until('all events at both', () => first.events.length >= expected.length && second.events.length >= expected.length);
  const [atOne, atOther] = [first.events, second.events].map((events) => events.map((heard) => JSON.stringify(heard)));
  assert.deepEqual(atOne, atOther);
  assert.deepEqual(atOne?.toSorted(), expected.toSorted());
  for (const name of names) {
    const own: string[] | undefined = atOne?.filter((heard) => heard.includes(`"${name}"`));
    assert.deepEqual(
      own,
      expected.filter((heard) => heard.includes(`"${name}"`)),
    );
  }

  const sent = await new Rest(one.url).post('/events/test-event', { serviceName: 'Test', pricingVersion: '1' });
  assert.equal(sent.status, 200);
  await until('the test event at both', () => first.events.length > expected.length && second.events.length > expected.length);
  assert.deepEqual(first.events.at(-1), second.events.at(-1));
});

test('space:43 space:44 an edge that shuts down closes its sockets, they reconnect to the next, and everything is still there', async () => {
  await using system = await startSystem();
  const { rest, key } = await newOrganization(system.space.url);
  assert.equal((await rest.upload('/services', pricing('Lasting', '1'))).status, 201);
  await using client = await listen(system.space.url, { reconnectionDelay: 50, reconnectionDelayMax: 200 });
  await using raw = await RawSocket.joined(system.space.url);
  let left = '';
  client.socket.on('disconnect', (reason) => {
    left = reason;
  });
  await system.space.stop();
  await until('both sockets closed', () => raw.closed && left !== '');
  // Another reason would keep the client from coming back by itself.
  assert.equal(left, 'transport close');
  assert.equal(raw.frames.length, 2);
  await system.store.stop();
  await system.store.restart();
  await system.space.restart();
  await until('connected again', () => client.socket.connected);
  const again = new Rest(system.space.url, key);
  assert.deepEqual(Object.keys((await again.get('/services/Lasting')).body.activePricings ?? {}), ['1']);
  assert.equal((await again.upload('/services/Lasting/pricings', pricing('Lasting', '2'))).status, 201);
  await until('an event', () => client.events.length > 0);
  assert.deepEqual(client.events, [event('PRICING_CREATED', 'Lasting', '2')]);
});
