import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type HiroEvent, hiroEvent } from '@polyedge/contracts/wire/hiro';
import { until } from '@polyedge/testkit/until';
import { Client } from './client.ts';
import { system, token } from './hiro-scene.ts';
import { call, post } from './system.ts';

type Vertex = Readonly<Record<string, unknown>>;

const rest = (path: string): string => `${system.hiro.url}/api/graph/7.4${path}`;
const idOf = (vertex: unknown): string => String((vertex as Vertex)['ogit/_id']);
const make = async (type: string, body: object = {}): Promise<string> =>
  idOf((await post(rest(`/new/${encodeURIComponent(type)}`), body, token)).body);

/** An events-ws socket with its filters; every frame has to be an event with exactly the documented keys. */
async function listen(filters: readonly string[], query = '', port = system.hiro.port) {
  const client = new Client(port, `/api/events-ws/6.2/${query}`, ['events-1.0.0', `token-${token}`]);
  await client.open();
  for (const content of filters)
    client.send({ type: 'register', args: { 'filter-id': content, 'filter-type': 'jfilter', 'filter-content': content } });
  const events = (): HiroEvent[] =>
    client.frames.map((frame) => {
      assert.ok(hiroEvent.test(frame), hiroEvent.problem(frame));
      return frame;
    });
  return {
    client,
    events,
    /**
     * Nothing acknowledges a `register`, so its filters are known to be in force when an event comes: until then, vertices of a type of the
     * test's own are made. The filters have to match `marker`.
     */
    ready: async (marker: string) => {
      const isThere = () => events().some(({ body }) => body['ogit/_type'] === marker);
      await until('an event of a registered filter comes', async () => {
        if (!isThere()) await make(marker);
        return isThere();
      });
    },
    of: (id: string): HiroEvent[] => events().filter((event) => event.id === id),
    [Symbol.dispose]: () => client.ws.terminate(),
  };
}

const typed = (...types: string[]): string => `|${types.map((type) => `(element.ogit/_type = ${type})`).join('')}`;

test('hiro:E4 hiro:E5 every kind of write raises its event, in order, with exactly the documented keys', async () => {
  using socket = await listen([typed('ogit/E5', 'ogit/E5Ready', 'ogit/relates')]);
  await socket.ready('ogit/E5Ready');
  const id = await make('ogit/E5', { 'ogit/name': 'a' });
  const other = await make('ogit/E5');
  await post(rest(`/${id}`), { '/x': '1' }, token);
  await call('PUT', rest(`/${id}`), token, '{"/y":"2"}');
  const edge = idOf((await post(rest('/connect/ogit%2Frelates'), { out: id, in: other }, token)).body);
  await call('DELETE', rest(`/${encodeURIComponent(edge)}`), token);
  await call('DELETE', rest(`/${id}`), token);
  await socket.client.until(() => socket.of(id).some(({ type }) => type === 'DELETE'));
  assert.deepEqual(
    socket.of(id).map(({ type }) => type),
    ['CREATE', 'UPDATE', 'REPLACE', 'DELETE'],
  );
  assert.deepEqual(
    socket.of(edge).map(({ type }) => type),
    ['CONNECT', 'DISCONNECT'],
  );
  assert.deepEqual(
    socket.of(id).map(({ body }) => [body['ogit/name'], body['/x'], body['/y'], body['ogit/_is-deleted']]),
    [
      ['a', undefined, undefined, false],
      ['a', '1', undefined, false],
      [undefined, undefined, '2', false],
      [undefined, undefined, '2', true],
    ],
  );
  const times = socket.events().map(({ nanotime }) => nanotime);
  assert.deepEqual(
    times,
    [...times].sort((one, next) => one - next),
  );
  assert.equal(new Set(times).size, times.length);
});

test('hiro:E5 replace with createIfNotExists of a missing element is a CREATE', async () => {
  using socket = await listen([typed('ogit/E5b', 'ogit/E5bReady')]);
  await socket.ready('ogit/E5bReady');
  await call('PUT', rest('/e5b?createIfNotExists=true&ogit/_type=ogit%2FE5b'), token, '{"/y":"2"}');
  await socket.client.until(() => socket.of('e5b').length > 0);
  assert.deepEqual(
    socket.of('e5b').map(({ type }) => type),
    ['CREATE'],
  );
});

test('hiro:E6 delta brings only what changed, with its sign', async () => {
  using socket = await listen([typed('ogit/E6', 'ogit/E6Ready')], '?delta=true');
  const id = await make('ogit/E6', { '/a': '1', '/b': '1' });
  // In delta mode a type is `+ogit/_type`, so readiness is asked of the vertex itself.
  let value = 1;
  await until('an event of the vertex comes', async () => {
    value += 1;
    await post(rest(`/${id}`), { '/b': String(value) }, token);
    return socket.of(id).length > 0;
  });
  await post(rest(`/${id}`), { '/a': null, '/b': 'last', '/c': 'new' }, token);
  const last = await socket.client.until(() => socket.of(id).find(({ body }) => body['=/b'] === 'last'));
  const own = Object.entries(last.body).filter(([name]) => !name.slice(1).startsWith('ogit/_'));
  assert.deepEqual(Object.fromEntries(own), { '-/a': '1', '=/b': 'last', '+/c': 'new' });
});

test('hiro:E2 hiro:E11 nothing is acknowledged, and nothing comes before the first register', async () => {
  using silent = await listen([], '?allscopes=false');
  using witness = await listen([typed('ogit/E11', 'ogit/E11Ready')]);
  silent.client.send({ type: 'clear', args: {} });
  silent.client.send({ type: 'subscribe', id: null });
  silent.client.send({ type: 'unregister', args: { 'filter-id': 'x' } });
  silent.client.send({ type: 'token', args: { _TOKEN: token } });
  await witness.ready('ogit/E11Ready');
  const id = await make('ogit/E11');
  await witness.client.until(() => witness.of(id).length > 0);
  assert.deepEqual(silent.client.frames, []);
  silent.client.send({
    type: 'register',
    args: { 'filter-id': 'late', 'filter-type': 'jfilter', 'filter-content': typed('ogit/E11Late') },
  });
  await silent.ready('ogit/E11Late');
  assert.deepEqual([...new Set(silent.events().map(({ body }) => body['ogit/_type']))], ['ogit/E11Late']);
  assert.equal(silent.events().length, silent.client.frames.length);
});

test('hiro:E10 hiro:E19 overlapping filters deliver once; a bad one is a 400 and the others keep working', async () => {
  using socket = await listen([typed('ogit/E10', 'ogit/E10Ready'), '(action = CREATE)']);
  await socket.ready('ogit/E10Ready');
  const id = await make('ogit/E10');
  await socket.client.until(() => socket.of(id).length > 0);
  const end = await make('ogit/E10');
  await socket.client.until(() => socket.of(end).length > 0);
  assert.equal(socket.of(id).length, 1);
  socket.client.send({ type: 'register', args: { 'filter-id': 'bad', 'filter-content': '(&' } });
  const error = await socket.client.until(() =>
    socket.client.frames.find((frame) => typeof frame === 'object' && frame !== null && 'error' in frame),
  );
  assert.equal((error as { error: { code: number } }).error.code, 400);
});

test('an unregistered filter delivers nothing more, the others keep working', async () => {
  using socket = await listen([typed('ogit/U1', 'ogit/URReady'), typed('ogit/U2', 'ogit/URReady')]);
  await socket.ready('ogit/URReady');
  socket.client.send({ type: 'unregister', args: { 'filter-id': typed('ogit/U1', 'ogit/URReady') } });
  // A ping is answered in order, so its pong says that the message before it was handled.
  const handled = new Promise((resolve) => socket.client.ws.once('pong', resolve));
  socket.client.ws.ping();
  await handled;
  const [one, two] = [await make('ogit/U1'), await make('ogit/U2')];
  await socket.client.until(() => socket.of(two).length > 0);
  assert.equal(socket.of(one).length, 0);
});

test('an event reaches sockets of every replica', async () => {
  await using second = await system.startHiro();
  using here = await listen([typed('ogit/Two', 'ogit/TwoReady')]);
  using there = await listen([typed('ogit/Two', 'ogit/TwoReady')], '', second.port);
  await Promise.all([here.ready('ogit/TwoReady'), there.ready('ogit/TwoReady')]);
  const id = await make('ogit/Two');
  await Promise.all([here, there].map((socket) => socket.client.until(() => socket.of(id).length > 0)));
  assert.deepEqual(here.of(id), there.of(id));
});
