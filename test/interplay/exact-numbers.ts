/** Integers beyond 2^53 through the store, the feed and the answers of the three protocols that write JSON: exact or rejected. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client as GoodUncle } from '../../services/gooduncle-edge/test/client.ts';
import { hashed } from '../../services/gooduncle-edge/test/system.ts';
import { Client as Hiro } from '../../services/hiro-edge/test/client.ts';
import { RawSaga, rawCall } from './raw.ts';
import { ADMIN, type System } from './system.ts';

/** One more than a double can hold exactly. */
const BIG = '750727362669608961';
const DOUBLE = '750727362669608960';

const textsOf = ({ ws }: { readonly ws: { on(event: 'message', listener: (data: unknown) => void): unknown } }): string[] => {
  const texts: string[] = [];
  ws.on('message', (data) => texts.push(String(data)));
  return texts;
};

export function exactNumbers(system: System): void {
  const { saga, urls, ports } = system;
  const token = saga.token;

  test('an integer beyond 2^53 is stored, found, sent and kept in the history by HIRO, with the numeric id of its request', async () => {
    using graph = new Hiro(ports.hiro, '/api/graph-ws/6.1/', ['graph-2.0.0', `token-${token}`]);
    using events = new Hiro(ports.hiro, '/api/events-ws/6.2/', ['events-1.0.0', `token-${token}`]);
    await Promise.all([graph.open(), events.open()]);
    const filter = { 'filter-id': 'all', 'filter-type': 'jfilter', 'filter-content': '(element.ogit/_type = interplay/Big)' };
    events.send({ type: 'register', args: filter });
    const create = (id: string) =>
      graph.send(`{"id":${id},"type":"create","headers":{"ogit/_type":"interplay/Big"},"body":{"/creatorID":${BIG}}}`);
    create('9007199254740993');
    const answer = await graph.until(() => graph.texts.find((text) => text.includes('"id":9007199254740993')));
    assert.match(answer, new RegExp(`"/creatorID":"${BIG}"`));
    const vertex = /"ogit\/_id":"([^"]+)"/.exec(answer)?.[1] ?? '';
    // A registration has no answer: it is active when an event arrives.
    let made = 1;
    while (!events.texts.some((text) => text.includes(`"/creatorID":"${BIG}"`))) {
      create(String(made));
      await graph.answer(made);
      made += 1;
    }
    const base = `${urls.hiro}/api/graph/7.4`;
    const headers = { authorization: `Bearer ${token}` };
    const found = async (value: string) => {
      const query = encodeURIComponent(`+ogit\\/_type:interplay\\/Big +\\/creatorID:${value}`);
      return (JSON.parse((await rawCall('GET', `${base}/query/vertices?query=${query}`, headers)).text) as { items: unknown[] }).items
        .length;
    };
    assert.deepEqual([await found(BIG), await found(DOUBLE)], [made, 0]);
    assert.match((await rawCall('GET', `${base}/${vertex}/history`, headers)).text, new RegExp(`"/creatorID":"${BIG}"`));
    graph.send('{"id":"far","type":"create","headers":{"ogit/_type":"interplay/Big"},"body":{"/n":1e400}}');
    const [refused] = await graph.answer('far');
    assert.deepEqual(refused?.error, { code: 400, message: 'the frame has a number that is out of range' });
    assert.equal((await rawCall('POST', `${base}/new/interplay%2FBig`, headers, '{"/n":1e400}')).status, 400);
  });

  test('an integer beyond 2^53 is stored, incremented, sent and kept in the timeline by Saga', async () => {
    using socket = await RawSaga.open(urls.saga, token);
    const headers = { 'access-token': token };
    assert.match(await socket.send('/users/join', JSON.stringify(saga.me)), /200/);
    const post = (value: string) => socket.send('/users/properties', `{"parent_id":"${saga.me}","name":"big","value":${value}}`);
    assert.match(await post(BIG), new RegExp(`"value":${BIG}[,}]`));
    await socket.heard(`"value":${BIG}`);
    const counted = await socket.send('/users/properties/incr', `{"parent_id":"${saga.me}","name":"big","value":1}`);
    assert.match(counted, /750727362669608962/);
    const properties = `${urls.saga}/users/${saga.me}/properties`;
    assert.match((await rawCall('GET', `${properties}/big`, headers)).text, /"value":750727362669608962[,}]/);
    assert.match((await rawCall('GET', `${properties}/big/stream`, headers)).text, new RegExp(`"value":${BIG}[,}]`));
    assert.match((await rawCall('PUT', `${properties}/big`, headers, '{"value":[1e20]}')).text, /"value":\[100000000000000000000\]/);
    assert.match(await post('[1e400]'), /"status_code":422/);
    assert.equal((await rawCall('PUT', `${properties}/big`, headers, '{"value":9007199254740993.5}')).status, 400);
  });

  test('an integer beyond 2^53 is stored, found, sent and compared by Good Uncle', async () => {
    using client = await GoodUncle.open(urls.goodUncle);
    const texts = textsOf(client);
    await client.one({ type: 'upgrade', user: ADMIN.username, password: hashed(ADMIN.password) });
    const ask = async (request: string): Promise<string> => {
      const count = client.answers.length;
      client.send(request);
      await client.until(() => client.answers[count]);
      return texts.at(-1) ?? '';
    };
    const subscription = `{"type":"subscribe","topic":"orders","subscription":"big","criteria":{"number":{"$gt":${DOUBLE}}}}`;
    client.send(subscription);
    await client.until(() => client.answers.some(({ response }) => response.synced === true));
    client.send(`{"type":"create","topic":"orders","params":{"number":${BIG},"list":[-9007199254740993]}}`);
    await client.until(() => texts.some((text) => text.includes('"match created"')));
    assert.match(
      texts.find((text) => text.includes('"match created"')) ?? '',
      new RegExp(`"number":${BIG},"list":\\[-9007199254740993\\]`),
    );
    const count = async (criteria: string) => {
      const text = await ask(`{"type":"read","topic":"orders","count":true,"criteria":${criteria}}`);
      return (JSON.parse(text) as { response: { payload: { count: number } } }).response.payload.count;
    };
    assert.deepEqual(
      [await count(`{"number":${BIG}}`), await count(`{"number":${DOUBLE}}`), await count(`{"number":{"$lte":${DOUBLE}}}`)],
      [1, 0, 0],
    );
    assert.match(await ask('{"type":"create","topic":"orders","params":{"number":1e400}}'), /"code":"bad request"/);
  });
}
