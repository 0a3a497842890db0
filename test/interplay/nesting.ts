/** Five thousand nested lists through every input: the protocol's own error, and the connection stays usable. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client as Hiro } from '../../services/hiro-edge/test/client.ts';
import { RawSaga, rawCall } from './raw.ts';
import type { System } from './system.ts';

const DEEP = `${'['.repeat(5000)}${']'.repeat(5000)}`;

export function nesting(system: System): void {
  const { saga, space, goodUncle, urls, ports } = system;
  const token = saga.token;

  test('HIRO refuses deep values, on sockets under the id of their request', async () => {
    using graph = new Hiro(ports.hiro, '/api/graph-ws/6.1/', ['graph-2.0.0', `token-${token}`]);
    using events = new Hiro(ports.hiro, '/api/events-ws/6.2/', ['events-1.0.0', `token-${token}`]);
    await Promise.all([graph.open(), events.open()]);
    graph.send(`{"id":"deep","type":"create","headers":{"ogit/_type":"ogit/Note"},"body":{"/a":${DEEP}}}`);
    const [refused] = await graph.answer('deep');
    assert.deepEqual(refused?.error, { code: 400, message: 'the frame is nested more than 64 levels deep' });
    graph.send({ id: 'next', type: 'me' });
    assert.equal((await graph.answer('next'))[0]?.error, undefined);
    events.send(`{"type":"register","args":{"filter-id":${DEEP},"filter-type":"jfilter","filter-content":"(element.a = b)"}}`);
    await events.until(() => events.texts.some((text) => text.includes('nested more than 64 levels deep')));
    const headers = { authorization: `Bearer ${token}` };
    for (const path of ['/api/graph/7.4/new/ogit%2FNote', '/api/auth/6.2/app', '/api/graph/7.4/query/vertices']) {
      const { status, text } = await rawCall('POST', `${urls.hiro}${path}`, headers, `{"query":${DEEP}}`);
      assert.equal(status, 400, `${path}: ${text}`);
    }
  });

  test('Saga refuses deep values, on sockets in the acknowledgement', async () => {
    using socket = await RawSaga.open(urls.saga, token);
    for (const event of [
      '/users/properties',
      '/users/properties/rpush',
      '/globals/properties',
      '/globals/signals',
      '/users/signals',
      '/users/message',
      '/x',
    ]) {
      const ack = await socket.send(event, `{"parent_id":"${saga.me}","id":"${saga.me}","name":"deep","value":${DEEP},"payload":${DEEP}}`);
      assert.match(ack, /"status_code":422.*nested more than 64 levels deep/s, event);
    }
    const headers = { 'access-token': token };
    for (const [method, path] of [
      ['POST', '/globals/properties'],
      ['PUT', '/globals/properties/d'],
      ['POST', '/globals/signals'],
      ['POST', `/users/${saga.me}/properties`],
      ['POST', '/bots'],
      ['POST', '/users/login'],
    ] as const) {
      const { status, text } = await rawCall(method, `${urls.saga}${path}`, headers, `{"name":"d","value":${DEEP},"payload":${DEEP}}`);
      assert.equal(status, 400, `${path}: ${text}`);
    }
    assert.match(await socket.send('/users/properties', `{"parent_id":"${saga.me}","name":"flat","value":1}`), /200/);
  });

  test('SPACE refuses deep JSON and deep YAML', async () => {
    const { status, text } = await rawCall('POST', `${urls.space}/api/v1/users/authenticate`, {}, `{"username":${DEEP}}`);
    assert.equal(status, 400, text);
    assert.equal((await space.upload('/services', `a: ${DEEP}`)).status, 400);
    assert.equal((await space.upload('/services', `${'- '.repeat(5000)}a`)).status, 400);
    assert.equal((await space.get('/services')).status, 200);
  });

  test('Good Uncle refuses deep requests, an upgrade with its secrets taken out of the echo', async () => {
    for (const request of [
      `{"type":"create","topic":"orders","params":{"a":${DEEP}}}`,
      `{"type":"upgrade","password":"x","user":${DEEP}}`,
    ]) {
      const count = goodUncle.answers.length;
      goodUncle.send(request);
      const { response } = await goodUncle.until(() => goodUncle.answers[count]);
      assert.equal(response.code, 'bad request');
      assert.deepEqual(response.errors[0]?.reason, 'too deep');
    }
    assert.equal((await goodUncle.one({ type: 'read', topic: 'orders', criteria: {}, count: true })).response.code, 'ok');
  });

  test('JSSocket relays nothing deep, and its pages keep working', async () => {
    const [deep, other] = await Promise.all([system.pageOf('deep'), system.pageOf('other')]);
    deep.ws.send(`{"type":"notify_group","data":{"target":"other","data":${DEEP}}}`);
    await deep.until(() => deep.closed !== undefined || deep.texts.length > 0);
    const next = await system.pageOf('next');
    next.event('notify_group', { target: 'other', data: { n: 1 } });
    assert.deepEqual(await other.next(), { n: 1 });
  });
}
