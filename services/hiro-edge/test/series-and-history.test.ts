import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { graphResponse } from '@polyedge/contracts/wire/hiro';
import { Client } from './client.ts';
import { started, system, token } from './hiro-scene.ts';
import { call, post } from './system.ts';

let client: Client;
before(async () => {
  await started;
  client = new Client(system.hiro.port, '/api/graph-ws/6.1/', ['graph-2.0.0', `token-${token}`]);
  await client.open();
});
after(() => client.ws.terminate());

type Vertex = Readonly<Record<string, unknown>>;
interface Error {
  readonly error: { readonly code: number; readonly message: string };
}

const rest = (path: string): string => `${system.hiro.url}/api/graph/7.4${path}`;
let count = 0;

/** The frames of one request, each in one of the documented forms. */
async function ask(type: string, headers: object = {}, body: object = {}): Promise<Record<string, unknown>[]> {
  count += 1;
  const id = String(count);
  client.send({ id, type, headers, body });
  const frames = await client.answer(id);
  for (const frame of frames) assert.ok(graphResponse.test(frame), graphResponse.problem(frame));
  return frames;
}
const one = async (type: string, headers: object = {}, body: object = {}): Promise<Vertex> =>
  (await ask(type, headers, body))[0]?.body as Vertex;
const list = async (type: string, headers: object = {}, body: object = {}): Promise<unknown[]> => {
  const frames = await ask(type, headers, body);
  assert.deepEqual(
    frames.filter(({ error }) => error !== undefined),
    [],
  );
  return frames.filter((frame) => frame.body !== null).map((frame) => frame.body);
};
const code = async (type: string, headers: object = {}, body: object = {}): Promise<number | undefined> =>
  ((await ask(type, headers, body)).at(-1) as unknown as Partial<Error>).error?.code;
const make = async (type: string, body: object = {}): Promise<string> =>
  String((await one('create', { 'ogit/_type': type }, body))['ogit/_id']);
const items = async (path: string): Promise<unknown[]> => ((await call('GET', rest(path), token)).body as { items: unknown[] }).items;

test('hiro:G16 values are written in any of three forms and streamed back in order, within the last hour by default', async () => {
  const id = await make('ogit/Timeseries');
  const now = Date.now();
  assert.deepEqual(
    await one(
      'writets',
      { 'ogit/_id': id },
      {
        items: [
          { timestamp: now - 2000, value: '1' },
          { timestamp: String(now - 1000), value: { a: [2] } },
        ],
      },
    ),
    {
      'ogit/_id': id,
    },
  );
  await one('writets', { 'ogit/_id': id }, { timestamp: now - 500, value: 3 });
  await post(rest(`/${id}/values?synchronous=true`), [{ timestamp: now - 7_200_000, value: 'old' }], token);
  const recent = [
    { timestamp: now - 2000, value: '1' },
    { timestamp: now - 1000, value: { a: [2] } },
    { timestamp: now - 500, value: 3 },
  ];
  // hiro-graph-js 7.5 passes these when it is called without options, 6.1 sends the limit as a text in the body.
  assert.deepEqual(await list('streamts', { 'ogit/_id': id, from: false, to: false, limit: 50, includeDeleted: false, with: [] }), recent);
  assert.deepEqual(await list('streamts', { 'ogit/_id': id }, { limit: '50' }), recent);
  assert.deepEqual(await list('streamts', { 'ogit/_id': id, order: 'desc', limit: 1 }), [recent[2]]);
  const all = await items(`/${id}/values?from=0&order=asc`);
  assert.deepEqual(all, [{ timestamp: now - 7_200_000, value: 'old' }, ...recent]);
  // hiro-python-library pads times to eleven digits.
  assert.deepEqual(await list('streamts', { 'ogit/_id': id, from: '00000000001', to: String(now - 1500) }), [all[0], recent[0]]);
});

test('hiro:G16 a value that is written again for its time is replaced, and both stay in the history of that time', async () => {
  const id = await make('ogit/Timeseries');
  const timestamp = Date.now() - 1000;
  await one('writets', { 'ogit/_id': id }, { timestamp, value: 'first' });
  await one('writets', { 'ogit/_id': id }, { timestamp, value: 'second' });
  assert.deepEqual(await list('streamts', { 'ogit/_id': id }), [{ timestamp, value: 'second' }]);
  assert.deepEqual(await items(`/${id}/values/history?timestamp=${timestamp}`), [
    { timestamp, value: 'second' },
    { timestamp, value: 'first' },
  ]);
});

test('hiro:G15 hiro:G16 further series are merged in, aggregates are one value, queries select series, and only series have values', async () => {
  const [first, second, note] = [
    await make('ogit/Timeseries', { '/g': 'g16' }),
    await make('ogit/Timeseries', { '/g': 'g16' }),
    await make('ogit/Note'),
  ];
  const now = Date.now();
  await one('writets', { 'ogit/_id': first }, { items: [{ timestamp: now - 30, value: '1' }] });
  await one('writets', { 'ogit/_id': second }, { items: [{ timestamp: now - 20, value: '5' }] });
  const merged = [
    { timestamp: now - 30, value: '1' },
    { timestamp: now - 20, value: '5' },
  ];
  assert.deepEqual(await list('streamts', { 'ogit/_id': first, with: [second] }), merged);
  assert.deepEqual(await list('streamts', { 'ogit/_id': first, with: second, aggregate: 'sum' }), [{ timestamp: now - 20, value: 6 }]);
  assert.deepEqual(await list('query', { type: 'values' }, { query: '+\\/g:"g16"', from: 0 }), merged);
  assert.equal(await code('writets', { 'ogit/_id': note }, { timestamp: now, value: 'x' }), 400);
  assert.equal(await code('streamts', { 'ogit/_id': note }), 400);
  assert.equal(await code('writets', { 'ogit/_id': 'nowhere' }, { timestamp: now, value: 'x' }), 404);
  assert.equal(await code('writets', { 'ogit/_id': first }, { timestamp: 'soon', value: 'x' }), 400);
  const said = async (headers: object, value: unknown): Promise<unknown> =>
    ((await ask('writets', { 'ogit/_id': first, ...headers }, { timestamp: now, value })).at(-1) as unknown as Partial<Error>).error;
  assert.deepEqual(await said({}, null), {
    code: 400,
    message: 'values are { timestamp, value }, the time in milliseconds; a value is not null',
  });
  assert.deepEqual(await said({ ttl: Number.MAX_SAFE_INTEGER }, 'x'), { code: 400, message: 'ttl is at most 31536000000 seconds' });
});

test('hiro:G17 the history of a vertex comes newest first in three forms, and can be narrowed to a version, a version id or a time', async () => {
  const id = await make('ogit/Note', { '/a': '1', '/b': '1' });
  await one('update', { 'ogit/_id': id }, { '/a': '2', '/b': null });
  const third = await one('update', { 'ogit/_id': id }, { '/c': '3' });
  const versions = (await list('history', { 'ogit/_id': id })) as Vertex[];
  assert.deepEqual(
    versions.map((vertex) => [vertex['ogit/_v'], vertex['/a'], vertex['/b'], vertex['/c']]),
    [
      [3, '2', undefined, '3'],
      [2, '2', undefined, undefined],
      [1, '1', '1', undefined],
    ],
  );
  const full = (await list('history', { 'ogit/_id': id, type: 'full' })) as Record<string, unknown>[];
  assert.deepEqual(
    full.map(({ action }) => action),
    ['UPDATE', 'UPDATE', 'CREATE'],
  );
  assert.deepEqual(Object.keys(full[0] ?? {}).sort(), ['action', 'data', 'identity', 'meta']);
  assert.deepEqual(Object.keys((full[0]?.meta ?? {}) as object).sort(), ['id', 'nanotime', 'timestamp', 'version', 'vid']);
  const [, second] = (await list('history', { 'ogit/_id': id }, { type: 'diff' })) as Record<'add' | 'replace' | 'remove', Vertex>[];
  assert.equal(second?.replace['/a'], '2');
  assert.equal(second?.remove['/b'], '1');
  assert.deepEqual(await list('history', { 'ogit/_id': id, version: '2' }), [versions[1]]);
  assert.deepEqual(await list('history', { 'ogit/_id': id, vid: third['ogit/_v-id'] }), [versions[0]]);
  assert.deepEqual(await list('history', { 'ogit/_id': id, limit: 1, offset: 1 }), [versions[1]]);
  assert.deepEqual(await list('history', { 'ogit/_id': id, to: 1 }), []);
  // The Python client's default for `to` is a local date.
  assert.equal((await items(`/${id}/history?from=0&to=2199-11-21%2020%3A38%3A19.696839&type=element&limit=-1&offset=0`)).length, 3);
  assert.deepEqual(await one('get', { 'ogit/_id': id, vid: versions[2]?.['ogit/_v-id'] }), versions[2]);
  assert.equal(await code('history', { 'ogit/_id': id, type: 'other' }), 400);
  assert.equal(await code('history', { 'ogit/_id': 'nowhere' }), 404);
  await one('delete', { 'ogit/_id': id });
  assert.equal(await code('history', { 'ogit/_id': id }), 404);
  assert.equal((await list('history', { 'ogit/_id': id, includeDeleted: true, limit: -1 })).length, 4);
});

test('hiro:G18 hiro:R5 a blob that was uploaded over REST comes in chunks whose texts may be joined, and earlier ones by their content id', async () => {
  const id = await make('ogit/Attachment');
  const bytes = Buffer.alloc(1_000_000, 'a long text; ');
  const upload = async (body: Buffer): Promise<string> => {
    const response = await fetch(rest(`/${id}/content`), {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'text/plain; charset=utf-8' },
      body: new Uint8Array(body),
    });
    assert.equal(response.status, 200);
    return ((await response.json()) as { contentId: string }).contentId;
  };
  const first = await upload(bytes);
  const vertex = await one('get', { 'ogit/_id': id });
  assert.deepEqual([vertex['ogit/_c-id'], vertex['ogit/_c-size'], vertex['ogit/_c-type']], [first, 1_000_000, 'text/plain; charset=utf-8']);
  const content = async (headers: object): Promise<Buffer> => {
    const frames = await ask('getcontent', { 'ogit/_id': id, ...headers });
    assert.deepEqual(
      frames.map(({ more, last }) => [more, last]),
      frames.map((_, at) => [at + 1 < frames.length, at + 1 === frames.length]),
    );
    return Buffer.from(frames.map(({ body }) => (body as { data: string }).data).join(''), 'base64');
  };
  assert.ok((await content({})).equals(bytes));
  await upload(Buffer.alloc(0));
  assert.equal((await content({})).length, 0);
  assert.ok((await content({ contentId: first })).equals(bytes));
  assert.equal(await code('getcontent', { 'ogit/_id': id, contentId: 'another' }), 404);
  assert.equal(await code('getcontent', { 'ogit/_id': await make('ogit/Note') }), 404);
});

test('hiro:R5 fifty megabytes go up and down as a stream, whole or in a range', async () => {
  const id = await make('ogit/Attachment');
  const size = 50 * 1024 * 1024;
  const piece = Buffer.alloc(1024 * 1024);
  for (let at = 0; at < piece.length; at += 1) piece[at] = (at * 31) % 251;
  async function* pieces(): AsyncGenerator<Uint8Array> {
    for (let sent = 0; sent < size; sent += piece.length) yield new Uint8Array(piece);
  }
  const body = ReadableStream.from(pieces());
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/x-test' };
  const uploaded = await fetch(rest(`/${id}/content`), { method: 'POST', headers, body, duplex: 'half' } as RequestInit);
  assert.equal(uploaded.status, 200);
  const whole = await fetch(rest(`/${id}/content`), { headers });
  assert.deepEqual(
    [whole.status, whole.headers.get('content-type'), whole.headers.get('content-length')],
    [200, 'application/x-test', String(size)],
  );
  let received = 0;
  for await (const part of whole.body ?? []) {
    for (let at = 0; at < part.length; at += 4099) assert.equal(part[at], piece[(received + at) % piece.length]);
    received += part.length;
  }
  assert.equal(received, size);
  const from = 20 * 1024 * 1024 + 17;
  const ranged = await fetch(rest(`/${id}/content`), { headers: { ...headers, range: `bytes=${from}-${from + 499_999}` } });
  assert.deepEqual([ranged.status, ranged.headers.get('content-range')], [206, `bytes ${from}-${from + 499_999}/${size}`]);
  const part = Buffer.from(await ranged.arrayBuffer());
  assert.equal(part.length, 500_000);
  assert.ok(part.subarray(0, 1000).equals(Buffer.concat([piece, piece]).subarray(17, 1017)));
  const beyond = await fetch(rest(`/${id}/content`), { headers: { ...headers, range: `bytes=${size}-` } });
  assert.equal(beyond.status, 416);
});

test('hiro:E20 past events of a time range are returned over REST, oldest first and filtered like those of a socket', async () => {
  const began = Date.now();
  const id = await make('ogit/E20', { '/a': '1' });
  await one('update', { 'ogit/_id': id }, { '/a': '2' });
  await make('ogit/E20Other');
  await one('delete', { 'ogit/_id': id });
  const told = (await items(`/events?from=${began}&to=${Date.now()}&type=ogit%2FE20`)) as Record<string, unknown>[];
  assert.deepEqual(
    told.map(({ type, id: of }) => [type, of]),
    ['CREATE', 'UPDATE', 'DELETE'].map((type) => [type, id]),
  );
  assert.deepEqual(Object.keys(told[0] ?? {}).sort(), ['body', 'id', 'metadata', 'nanotime', 'timestamp', 'type']);
  const filter = encodeURIComponent('&(element.ogit/_type = ogit/E20*)(action = CREATE)');
  assert.equal((await items(`/events?from=${began}&filter=${filter}`)).length, 2);
  assert.equal((await call('GET', rest('/events?filter=%28%28'), token)).status, 400);
});

test('hiro:G14 gremlin follows edges both ways from its root, counts, filters and rejects steps that write or start over', async () => {
  const root = await make('ogit/G14', { 'ogit/name': 'root' });
  const children: string[] = [];
  for (const name of ['a', 'b', 'c']) {
    const child = await make('ogit/G14', { 'ogit/name': name });
    children.push(child);
    await one('connect', { 'ogit/_type': 'ogit/relates' }, { out: root, in: child });
  }
  await one('connect', { 'ogit/_type': 'ogit/knows' }, { out: children[0], in: children[1] });
  const gremlin = (query: string, more: object = {}): Promise<unknown[]> => list('query', { type: 'gremlin' }, { root, query, ...more });
  const names = async (query: string): Promise<unknown[]> => (await gremlin(query)).map((vertex) => (vertex as Vertex)['ogit/name']).sort();
  assert.deepEqual(await names('out()'), ['a', 'b', 'c']);
  assert.deepEqual(await names("outE('ogit/relates').inV()"), ['a', 'b', 'c']);
  assert.deepEqual(await names("out('ogit/relates').out('ogit/knows')"), ['b']);
  assert.deepEqual(await names("out().has('ogit/name', within('a', 'c'))"), ['a', 'c']);
  assert.deepEqual(await names("out('ogit/relates').in('ogit/relates').dedup()"), ['root']);
  assert.deepEqual(await gremlin('out().count()'), [3]);
  assert.deepEqual(await gremlin("out().order().by('ogit/name', decr).limit(1).values('ogit/name')"), ['c']);
  assert.deepEqual(await names('repeat(out()).times(2)'), ['b']);
  assert.deepEqual(
    (await items(`/query/gremlin?root=${encodeURIComponent(root)}&query=${encodeURIComponent('out().count()')}`)) as number[],
    [3],
  );
  for (const refused of ['V()', 'addV()', 'out().drop()', 'out(', 'out().filter{it.x == 1}']) {
    assert.equal(await code('query', { type: 'gremlin' }, { root, query: refused }), 400, refused);
  }
  assert.equal(await code('query', { type: 'gremlin' }, { root: 'nowhere', query: 'out()' }), 404);
});

test('hiro:G19 an element written with waitForIndex is found by the next query', async () => {
  const id = String((await one('create', { 'ogit/_type': 'ogit/G19', waitForIndex: 'true' }, { 'ogit/name': 'x' }))['ogit/_id']);
  assert.deepEqual(
    (await list('query', { type: 'vertices' }, { query: '+ogit\\/_type:"ogit/G19"' })).map((vertex) => (vertex as Vertex)['ogit/_id']),
    [id],
  );
});

test('hiro:G20 lists are set, appended to and removed from, shown as text or with their metadata', async () => {
  const id = await make('ogit/G20', { '=ogit/x': [{ value: 'foo' }, { value: 'bar', key: 'k' }] });
  assert.equal((await one('get', { 'ogit/_id': id }))['ogit/x'], '["foo","bar"]');
  const withMeta = async (): Promise<unknown> =>
    ((await one('get', { 'ogit/_id': id, listMeta: true }))['ogit/x'] as Record<string, unknown>[]).map(({ value, key }) => [value, key]);
  assert.deepEqual(await withMeta(), [
    ['foo', undefined],
    ['bar', 'k'],
  ]);
  await one('update', { 'ogit/_id': id }, { '+ogit/x': [{ value: 'baz' }, { value: 'other', key: 'k' }] });
  assert.deepEqual(((await withMeta()) as string[][]).map(([value]) => value).sort(), ['baz', 'foo', 'other']);
  await one('update', { 'ogit/_id': id }, { '-ogit/x': [{ value: 'foo' }, { key: 'k' }] });
  assert.equal((await one('get', { 'ogit/_id': id }))['ogit/x'], '["baz"]');
});

test('hiro:R6 an account, its profile, teams and roles are returned to the bearer of its token', async () => {
  const me = async (what: string): Promise<Record<string, unknown>> =>
    (await call('GET', `${system.hiro.url}/api/auth/6.6/me/${what}`, token)).body as Record<string, unknown>;
  const account = await me('account?profile=true');
  assert.equal(account['ogit/name'], 'admin');
  assert.equal(account['ogit/_id'], (await one('me'))['ogit/_id']);
  assert.equal((await me('profile'))['ogit/name'], 'admin');
  assert.ok(Array.isArray((await me('teams')).items));
  assert.deepEqual((await me('roles')).items, [{ 'ogit/_id': 'role:admin', 'ogit/_type': 'ogit/Auth/Role', 'ogit/name': 'admin' }]);
});

test('a time that is no number of milliseconds counts as not given', async () => {
  const id = await make('ogit/Note', { 'ogit/name': 'first' });
  await one('update', { 'ogit/_id': id }, { 'ogit/name': 'second' });
  // The Python client sends the local date of its own start.
  for (const to of ['2020-01-01 00:00:00.000000', 'yesterday', 'NaN', '']) {
    assert.equal((await items(`/${id}/history?from=0&to=${encodeURIComponent(to)}&limit=-1`)).length, 2, to);
    const events = (await items(`/events?from=x&to=${encodeURIComponent(to)}`)) as { id: string }[];
    assert.equal(events.filter((event) => event.id === id).length, 2, to);
  }
});

test('values of every series without a query, and every value of a series without a time', async () => {
  const id = await make('ogit/Timeseries');
  const now = Date.now();
  for (const value of ['a', 'b']) await one('writets', { 'ogit/_id': id }, { timestamp: now - 1000, value });
  await one('writets', { 'ogit/_id': id }, { timestamp: now - 500, value: 'c' });
  const found = (await items('/query/values?order=asc')) as { value: unknown }[];
  assert.deepEqual(
    found.map(({ value }) => value).filter((value) => value === 'b' || value === 'c'),
    ['b', 'c'],
  );
  const history = (await items(`/${id}/values/history`)) as { value: unknown }[];
  assert.deepEqual(
    history.map(({ value }) => value),
    ['c', 'b', 'a'],
  );
});

test('rejections are described in terms that clients know', async () => {
  const message = async (type: string, headers: object, body: object = {}) =>
    ((await ask(type, headers, body)).at(-1) as unknown as Error).error.message;
  const [missing, long] = [
    await message('update', { 'ogit/_id': 'nobody' }, { 'ogit/name': 'x' }),
    await message('create', { 'ogit/_type': 'ogit/Note' }, { 'ogit/name': 'x'.repeat(9 * 1024 * 1024) }),
  ];
  for (const text of [missing, long]) assert.doesNotMatch(text, /operations|~1|^\//);
  assert.equal(await code('create', { 'ogit/_type': 'ogit/Note' }, { 'ogit/_id': 'query' }), 400);
  assert.equal(await code('replace', { 'ogit/_id': 'xid', 'ogit/_type': 'ogit/Note', createIfNotExists: 'true' }, {}), 400);
});

test('times of list elements are whole milliseconds', async () => {
  const made = await one('create', { 'ogit/_type': 'ogit/Note', listMeta: true }, { 'ogit/tags': ['a', 'b'] });
  for (const { created } of made['ogit/tags'] as { created: number }[]) assert.ok(Number.isInteger(created), String(created));
});

test('claims of a token have the types that the Java client declares', () => {
  const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as Record<string, unknown>;
  const data = claims.data as Record<string, unknown>;
  for (const text of [claims.sub, claims.aud, claims.iss, data['default-scope'], data.organization, data._IDENTITY_ID]) {
    assert.equal(typeof text, 'string');
  }
  for (const number of [claims.exp, claims.iat, data['expires-at'], data['created-on']]) assert.ok(Number.isInteger(number));
});
