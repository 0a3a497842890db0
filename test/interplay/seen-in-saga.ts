/** What Saga's sockets show of all protocols' writes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Session } from '../../services/saga-edge/test/client.ts';
import { pricing } from '../../services/space-edge/test/system.ts';
import { notify } from './messages.ts';
import type { System } from './system.ts';

export function seenInSaga(system: System): void {
  const { hiro, saga, space, goodUncle, events } = system;

  /** A new bot whose room the administrator has joined, with what a vertex needs to be its property `mood`. */
  async function joinedBot() {
    const { body } = await saga.api('POST', '/bots', { name: 'eve' });
    const bot = String(body._id);
    assert.equal((await saga.send('/bots/join', bot)).status_code, 200);
    return { bot, id: `${bot}:mood`, mood: { parent_type: 'bot', parent_id: bot, name: 'mood' } };
  }

  /** A property as sent to rooms. */
  const property = (bot: string, value: unknown, source_creator: object) => ({
    type: 'bot',
    parent_id: bot,
    name: 'mood',
    value,
    source_creator,
  });
  const SOCKET = { type: 'socket' };

  test('HIRO → Saga: a vertex of a property is sent as /properties, a deleted one with the value null', async () => {
    const { bot, id, mood } = await joinedBot();
    await hiro.create('saga/Property', { 'ogit/_id': id, ...mood, value: 'calm' });
    await hiro.update(id, { value: '7' });
    await hiro.delete(id);
    assert.deepEqual(await toldOf(saga, bot), [property(bot, 'calm', SOCKET), property(bot, '7', SOCKET), property(bot, null, SOCKET)]);
  });

  test('HIRO → Saga: a message is sent to the room of its sender, a package to the room of packages', async () => {
    const { bot } = await joinedBot();
    assert.equal((await saga.send('/npm_packages/join', null)).status_code, 200);
    const message = { sender_type: 'Bot', sender_id: bot, message: 'hello' };
    const sent = (await hiro.create('saga/Message', message))['ogit/_id'];
    const packed = (await hiro.create('saga/NpmPackage', { name: 'left-pad', version: '1' }))['ogit/_id'];
    assert.deepEqual(await toldOf(saga, bot), []);
    await saga.until(() => saga.events('/npm_packages').some(({ _id }) => _id === packed));
    const heard = saga.log.flatMap((entry) => ('ev' in entry && [sent, packed].includes(entry.payload._id) ? [entry] : []));
    const { createdAt, sortable_id } = heard[0]?.payload ?? {};
    assert.ok(Number.isInteger(sortable_id));
    const told = { _id: sent, sortable_id, ...message, bot_id: bot, createdAt, created_at: createdAt };
    const { createdAt: madeAt, updatedAt } = heard[2]?.payload ?? {};
    assert.deepEqual(heard, [
      { ev: '/messages/outgoing', payload: told },
      // The Unity client's name for it.
      { ev: '/messages', payload: told },
      {
        ev: '/npm_packages',
        payload: { _id: packed, id: packed, name: 'left-pad', version: '1', tags: [], createdAt: madeAt, updatedAt },
      },
    ]);
    assert.equal((await saga.send('/npm_packages/leave', null)).status_code, 200);
  });

  test('HIRO → Saga: writes of a user with another data scope only do not reach Saga', async () => {
    const { bot, id, mood } = await joinedBot();
    const scope = String((await hiro.create('ogit/Auth/DataScope', { 'ogit/name': 'attic' }))['ogit/_id']);
    const elsewhere = { 'ogit/_id': id, ...mood, value: 'forged', 'ogit/_scope': scope };
    const refused = await hiro.refused('create', { 'ogit/_type': 'saga/Property' }, elsewhere);
    assert.equal(refused.code, 403, JSON.stringify(refused));
    await hiro.create('saga/Property', { 'ogit/_id': id, ...mood, value: 'calm' });
    assert.deepEqual(await toldOf(saga, bot), [property(bot, 'calm', SOCKET)]);
  });

  test('HIRO → Saga: what HIRO wrote under the id of a property is the property that Saga writes on', async () => {
    const { bot, id, mood } = await joinedBot();
    await hiro.create('saga/Property', { 'ogit/_id': id, ...mood, value: '[1]' });
    const { body } = await saga.send('/bots/properties', { parent_id: bot, name: 'mood', value: 2 });
    assert.match(body._id, new RegExp(`^${id}@`));
    await hiro.update(id, { value: '3' });
    const values = await saga.api('GET', `/bots/${bot}/properties/mood/values`);
    assert.deepEqual(
      values.body.map(({ value }: { readonly value: unknown }) => value),
      ['3', 2, '[1]'],
    );
  });

  test("saga:8 saga:18 HIRO → Saga: a user's property, changed by both, reaches both, and the rule of its name holds for both", async () => {
    assert.equal((await saga.send('/users/join', saga.me)).status_code, 200);
    await saga.send('/users/properties', { parent_id: saga.me, name: 'weather', value: 'm1' });
    const id = `${saga.me}:weather`;
    await hiro.update(id, { value: 'from hiro' });
    const refused = await hiro.refused('update', { 'ogit/_id': id }, { name: 'a b' });
    assert.equal(refused.code, 400, JSON.stringify(refused));
    assert.deepEqual(
      (await events.heard(id)).map(({ type, body }) => [type, body.name, body.value]),
      [
        ['CREATE', 'weather', 'm1'],
        ['UPDATE', 'weather', 'from hiro'],
      ],
    );
    const weather = () => saga.events('/properties').filter(({ name }) => name === 'weather');
    await saga.until(() => weather().length >= 2);
    assert.deepEqual(
      weather().map(({ parent_id, value, source_creator }) => ({ parent_id, value, source_creator })),
      ['m1', 'from hiro'].map((value) => ({ parent_id: saga.me, value, source_creator: SOCKET })),
    );
    await saga.send('/users/leave', saga.me);
  });

  test('Saga → Saga: each write of a property is sent as /properties with the whole value', async () => {
    const { bot } = await joinedBot();
    await saga.send('/bots/properties', { parent_id: bot, name: 'mood', value: 5 });
    await saga.send('/bots/properties/incr', { parent_id: bot, name: 'mood', value: 2 });
    await saga.api('PUT', `/bots/${bot}/properties/mood`, { value: { deep: [1] } });
    await saga.api('DELETE', `/bots/${bot}/properties/mood`);
    const REST = { type: 'rest' };
    assert.deepEqual(await toldOf(saga, bot), [
      property(bot, 5, SOCKET),
      property(bot, 7, SOCKET),
      property(bot, { deep: [1] }, REST),
      property(bot, null, REST),
    ]);
  });

  test('SPACE → Saga: nothing', async () => {
    const { bot } = await joinedBot();
    for (const [event, payload] of [
      ['/users/join', saga.me],
      ['/globals/join', null],
      ['/npm_packages/join', null],
    ] as const) {
      assert.equal((await saga.send(event, payload)).status_code, 200, event);
    }
    const before = saga.log.length;
    await space.upload('/services', pricing('Unseen', '1'));
    await space.delete('/services/Unseen');
    assert.deepEqual(await toldOf(saga, bot), []);
    assert.deepEqual(
      saga.log.slice(before).map((entry) => ('ev' in entry ? entry.payload.name : entry.ack)),
      ['mark', '/bots/properties'],
    );
  });

  test('Good Uncle → Saga: a resource of type saga/Property is sent as /properties, one of type saga/Message to its recipients', async () => {
    const { bot, id, mood } = await joinedBot();
    await goodUncle.one({ type: 'create', topic: 'properties', params: { id, ...mood, value: 5 } });
    await goodUncle.one({ type: 'update', topic: 'properties', criteria: { id }, params: { value: { deep: [1] } } });
    await goodUncle.one({ type: 'delete', topic: 'properties', criteria: { id } });
    const params = { sender_type: 'User', sender_id: 'somebody', bot_ids: [bot], user_ids: [], message: 'hello' };
    const made = await goodUncle.one({ type: 'create', topic: 'messages', params });
    assert.deepEqual(await toldOf(saga, bot), [
      property(bot, 5, SOCKET),
      property(bot, { deep: [1] }, SOCKET),
      property(bot, null, SOCKET),
    ]);
    const incoming = saga.events('/messages/incoming').filter(({ bot_ids }) => bot_ids.includes(bot));
    const { createdAt, sortable_id } = incoming[0] ?? {};
    const about = { user_id: 'somebody', bot_id: bot, sortable_id, createdAt, created_at: createdAt };
    const message = { ...params, _id: made.response.payload.id, ...about };
    assert.deepEqual(incoming, [message]);
  });

  test('JSSocket → Saga: nothing', async () => {
    const { bot } = await joinedBot();
    const before = saga.log.length;
    await notify(system);
    assert.deepEqual(await toldOf(saga, bot), []);
    assert.equal(saga.log.length, before + 2);
  });

  test('seen in Saga: a user without the right to a room receives nothing of it, whoever writes, and everything of their own', async () => {
    const sue = { username: 'sue', password: 'password of sue' };
    assert.equal((await saga.api('POST', '/users/register', { ...sue, email: 'sue@example.org' })).status, 200);
    const user = await system.sagaOf(sue);
    const refused = await user.send('/users/join', saga.me);
    assert.equal(refused.status_code, 403, JSON.stringify(refused));
    assert.equal((await user.send('/users/join', user.me)).status_code, 200);
    for (const parent_id of [saga.me, user.me]) {
      const mood = { parent_type: 'user', parent_id, name: 'mood' };
      await hiro.create('saga/Property', { 'ogit/_id': `${parent_id}:mood`, ...mood, value: 'calm' });
      const params = { id: `${parent_id}:luck`, ...mood, name: 'luck', value: 1 };
      await goodUncle.one({ type: 'create', topic: 'properties', params });
      await saga.send('/users/properties', { parent_id, name: 'score', value: 2 });
    }
    await user.next('/properties', 3);
    assert.deepEqual(
      user.events('/properties').map(({ parent_id, name, value }) => [parent_id, name, value]),
      [
        [user.me, 'mood', 'calm'],
        [user.me, 'luck', 1],
        [user.me, 'score', 2],
      ],
    );
  });
}

/** The properties of a bot that a socket received, without ids and times; a marker shows that nothing more will arrive. */
async function toldOf(client: Session, bot: string): Promise<readonly object[]> {
  await client.send('/bots/properties', { parent_id: bot, name: 'mark', value: 1 });
  const told = client.events('/properties').filter(({ parent_id, name }) => parent_id === bot && name !== 'mark');
  return told.map(({ _id, sortable_id, created_at, createdAt, ...shown }) => {
    assert.equal(_id, `${bot}:${shown.name}@${sortable_id}`);
    assert.equal(created_at, createdAt);
    assert.ok(Number.isInteger(sortable_id) && !Number.isNaN(Date.parse(created_at)));
    return shown;
  });
}
