import assert from 'node:assert/strict';
import { test } from 'node:test';
import { graphResponse } from '@polyedge/contracts/wire/hiro';
import { Client } from './client.ts';
import { system } from './hiro-scene.ts';
import { ADMIN, call, type Login, login, post } from './system.ts';

type Vertex = Readonly<Record<string, unknown>>;

/** A graph-ws socket on which every frame is checked, and which asks like a client library. */
async function graph(token?: string) {
  const client = new Client(system.hiro.port, '/api/graph-ws/6.1/', ['graph-2.0.0', `token-${token ?? (await system.token())}`]);
  await client.open();
  let count = 0;
  const frames = async (request: object): Promise<Record<string, unknown>[]> => {
    count += 1;
    const id = `r${count}`;
    client.send({ id, ...request });
    const answered = await client.answer(id);
    for (const frame of answered) assert.ok(graphResponse.test(frame), graphResponse.problem(frame));
    return answered;
  };
  return {
    client,
    frames,
    one: async (request: object): Promise<Vertex> => {
      const [frame, ...more] = await frames(request);
      assert.deepEqual(more, []);
      assert.equal(frame?.error, undefined, JSON.stringify(frame));
      return frame?.body as Vertex;
    },
    list: async (request: object): Promise<unknown[]> => {
      const answered = await frames(request);
      assert.equal(answered.at(-1)?.error, undefined, JSON.stringify(answered.at(-1)));
      return answered.flatMap(({ body }) => (body === null ? [] : [body]));
    },
    refused: async (request: object): Promise<unknown> => {
      const [frame] = await frames(request);
      return (frame?.error as { code?: number } | undefined)?.code;
    },
    [Symbol.dispose]: () => client.ws.terminate(),
  };
}

const create = (body: object, type = 'ogit/Note') => ({ type: 'create', headers: { 'ogit/_type': type }, body });
const get = (id: unknown, more: object = {}) => ({ type: 'get', headers: { 'ogit/_id': id, ...more } });
const vertices = (query: string, more: object = {}) => ({ type: 'query', headers: { type: 'vertices' }, body: { query, ...more } });

test('hiro:G5 hiro:G6 hiro:G23 a created vertex has its system attributes and can be read again', async () => {
  using ws = await graph();
  const made = await ws.one(create({ 'ogit/name': 'first', '/free': 7 }));
  assert.match(String(made['ogit/_id']), /^c[a-z0-9]{24}_c[a-z0-9]{24}$/);
  assert.match(String(made['ogit/_v-id']), /^\d+-[A-Za-z0-9]{6}$/);
  assert.deepEqual(
    [made['ogit/_v'], made['ogit/_type'], made['ogit/_graphtype'], made['ogit/name'], made['/free']],
    [1, 'ogit/Note', 'vertex', 'first', '7'],
  );
  assert.deepEqual(await ws.one(get(made['ogit/_id'])), made);
  const some = await ws.one(get(made['ogit/_id'], { fields: 'ogit/name' }));
  assert.deepEqual(Object.keys(some).sort(), ['ogit/_id', 'ogit/_type', 'ogit/name']);
  assert.equal(await ws.refused(get('nothing')), 404);
  assert.equal(await ws.refused({ type: 'get' }), 400);
});

test('hiro:G6 an id or an xid that is taken is a conflict', async () => {
  using ws = await graph();
  const made = await ws.one(create({ 'ogit/_id': 'own-id', 'ogit/_xid': 'own-xid' }));
  assert.deepEqual([made['ogit/_id'], made['ogit/_xid']], ['own-id', 'own-xid']);
  assert.equal(await ws.refused(create({ 'ogit/_id': 'own-id' })), 409);
  assert.equal(await ws.refused(create({ 'ogit/_xid': 'own-xid' })), 409);
});

test('hiro:G7 update merges, null removes, fixed attributes stay, those of the server are ignored', async () => {
  using ws = await graph();
  const made = await ws.one(create({ 'ogit/name': 'a', '/x': '1', '/y': '2' }));
  const id = made['ogit/_id'];
  const update = (body: object) => ({ type: 'update', headers: { 'ogit/_id': id }, body });
  const changed = await ws.one(update({ ...made, '/x': null, '/y': '3' }));
  assert.deepEqual([changed['/x'], changed['/y'], changed['ogit/name'], changed['ogit/_v']], [undefined, '3', 'a', 2]);
  assert.equal(await ws.refused(update({ 'ogit/_type': 'ogit/Other' })), 400);
  assert.equal(await ws.refused({ type: 'update', headers: { 'ogit/_id': 'nothing' }, body: { '/x': '1' } }), 404);
});

test('hiro:G8 replace keeps system attributes and drops the rest; createIfNotExists makes it under the id', async () => {
  using ws = await graph();
  const replace = (headers: object, body: object) => ({ type: 'replace', headers, body });
  const headers = { 'ogit/_id': 'replaced', createIfNotExists: 'true', 'ogit/_type': 'ogit/Note' };
  assert.equal(await ws.refused(replace({ 'ogit/_id': 'replaced' }, { '/a': '1' })), 404);
  const made = await ws.one(replace(headers, { '/a': '1' }));
  const again = await ws.one(replace(headers, { '/b': '2' }));
  assert.deepEqual([made['/a'], again['/a'], again['/b'], again['ogit/_id'], again['ogit/_v']], ['1', undefined, '2', 'replaced', 2]);
});

test('hiro:G9 a deleted vertex is shown as such, and afterwards only on request', async () => {
  using ws = await graph();
  const id = (await ws.one(create({ 'ogit/name': 'gone' })))['ogit/_id'];
  const gone = await ws.one({ type: 'delete', headers: { 'ogit/_id': id } });
  assert.equal(gone['ogit/_is-deleted'], true);
  assert.equal(await ws.refused(get(id)), 404);
  assert.equal((await ws.one(get(id, { includeDeleted: true })))['ogit/name'], 'gone');
  assert.equal(await ws.refused({ type: 'delete', headers: { 'ogit/_id': id } }), 404);
});

test('hiro:G10 edges are made once, have HIRO`s ids and are deleted by them', async () => {
  using ws = await graph();
  const [out, into] = [await ws.one(create({})), await ws.one(create({}))].map((vertex) => vertex['ogit/_id']);
  const connect = (body: object) => ({ type: 'connect', headers: { 'ogit/_type': 'ogit/relates' }, body });
  const edge = await ws.one(connect({ out, in: into }));
  assert.equal(edge['ogit/_id'], `${out}$$ogit/relates$$${into}`);
  assert.deepEqual([edge['ogit/_graphtype'], edge['ogit/_out-id'], edge['ogit/_in-id']], ['edge', out, into]);
  assert.equal(await ws.refused(connect({ out, in: into })), 409);
  assert.equal(await ws.refused(connect({ out, in: 'nothing' })), 404);
  const remove = { type: 'delete', headers: { 'ogit/_id': edge['ogit/_id'] } };
  assert.equal((await ws.one(remove))['ogit/_is-deleted'], true);
  assert.equal(await ws.refused(remove), 409);
});

test('hiro:G11 me and getme answer with the account of the token', async () => {
  using ws = await graph();
  for (const type of ['me', 'getme']) assert.equal((await ws.one({ type }))['ogit/name'], ADMIN.username);
});

test('hiro:G12 queries: clauses, quotes, wildcards, ranges, order, offset, limit, fields, count, placeholders', async () => {
  using ws = await graph();
  for (let index = 0; index < 25; index += 1)
    await ws.one(create({ 'ogit/name': `item ${index}`, '/n': index, '/even': index % 2 === 0 }, 'ogit/Query'));
  const type = '+ogit\\/_type:"ogit/Query"';
  const names = async (query: string, more: object = {}): Promise<unknown[]> =>
    ((await ws.list(vertices(query, { order: '/n asc', ...more }))) as Vertex[]).map((vertex) => vertex['/n']);
  assert.equal((await names(type)).length, 20);
  assert.equal((await names(type, { limit: -1 })).length, 25);
  assert.deepEqual(await names(`${type} +\\/n:[22 TO 24]`), ['22', '23', '24']);
  assert.deepEqual(await names(`${type} +\\/n:[0 TO 9] -\\/even:"true"`), ['1', '3', '5', '7', '9']);
  assert.deepEqual(await names(`${type} +ogit\\/name:"item 7"`), ['7']);
  assert.deepEqual(await names(`${type} +ogit\\/name:item\\ 2*`, { limit: 100 }), ['2', '20', '21', '22', '23', '24']);
  assert.deepEqual(await names(`${type} AND (/n:3 OR /n:"4")`), ['3', '4']);
  assert.deepEqual(await names(`${type} +\\/n:$a`, { a: '5' }), ['5']);
  assert.deepEqual(await names(`${type} +\\/n:$a`, { a: '5 OR *:*' }), []);
  // Attributes are texts, and so is their order.
  assert.deepEqual(await names(type, { order: '/n desc', limit: 2, offset: 1 }), ['8', '7']);
  assert.deepEqual(await ws.list(vertices(type, { count: 'true' })), [25]);
  const [one] = (await ws.list(vertices(type, { limit: 1, fields: 'ogit/name' }))) as Vertex[];
  assert.deepEqual(Object.keys(one ?? {}).sort(), ['ogit/_id', 'ogit/_type', 'ogit/name']);
  assert.equal(await ws.refused(vertices('(')), 400);
  assert.equal(await ws.refused(vertices(type, { order: 'a b c' })), 400);
});

test('hiro:G13 by ids in the requested order, by xid', async () => {
  using ws = await graph();
  const ids = [];
  for (const xid of ['x-one', 'x-two']) ids.push((await ws.one(create({ 'ogit/_xid': xid })))['ogit/_id']);
  const asked = (query: unknown, type: string) => ws.list({ type: 'query', headers: { type }, body: { query } }) as Promise<Vertex[]>;
  const backwards = [ids[1], 'nothing', ids[0], ids[1]];
  assert.deepEqual(
    (await asked(backwards.join(','), 'ids')).map((vertex) => vertex['ogit/_id']),
    [ids[1], ids[0], ids[1]],
  );
  assert.equal((await asked(backwards, 'ids')).length, 3);
  assert.deepEqual(
    (await asked('x-two', 'xid')).map((vertex) => vertex['ogit/_id']),
    [ids[1]],
  );
  assert.deepEqual(await asked('x-none', 'xid'), []);
});

test('hiro:G3 a thousand requests in flight are all answered, each once and under its id', async () => {
  using ws = await graph();
  const id = (await ws.one(create({})))['ogit/_id'];
  for (let index = 0; index < 1000; index += 1) ws.client.send({ id: index, ...get(id) });
  await ws.client.until(() => ws.client.frames.length === 1001);
  const answered = ws.client.frames.slice(1) as { id: number; body?: object }[];
  assert.deepEqual(
    answered.map((frame) => frame.id).sort((one, other) => one - other),
    Array.from({ length: 1000 }, (_, index) => index),
  );
  assert.ok(answered.every((frame) => frame.body !== undefined));
});

test('writes of one socket take effect in the order they were sent, and a read sees those before it', async () => {
  using ws = await graph();
  const id = (await ws.one(create({ '/n': 0 })))['ogit/_id'];
  for (let index = 1; index <= 200; index += 1)
    ws.client.send({ id: index, type: 'update', headers: { 'ogit/_id': id }, body: { '/n': index } });
  const last = await ws.one(get(id));
  assert.deepEqual([last['/n'], last['ogit/_v']], ['200', 201]);
});

test('hiro:C13 a vertex of more than a megabyte goes in and out in fragments', async () => {
  using ws = await graph();
  const text = 'x'.repeat(1_200_000);
  const made = await ws.one(create({ '/big': text }));
  const body = { '/big': `${text}ä`, '/small': 1 };
  const changed = await ws.one({ type: 'update', headers: { 'ogit/_id': made['ogit/_id'] }, body });
  assert.deepEqual([made['/big'], changed['/big'], changed['/small']], [text, `${text}ä`, '1']);
  assert.deepEqual(await ws.one(get(made['ogit/_id'])), changed);
  assert.equal(await ws.refused(create({ '/big': 'x'.repeat(3_000_000) })), 413);
});

test('a hostile attribute name, order or placeholder is a name and nothing else', async () => {
  using ws = await graph();
  for (const name of ["'; drop table elements; --", '"', '$1', '__proto__', 'constructor', '/a"b\\c']) {
    const made = await ws.one(create(JSON.parse(`{${JSON.stringify(`/${name}`)}:"v"}`) as object));
    assert.equal((await ws.one(get(made['ogit/_id'])))[`/${name}`], 'v');
    await ws.frames(vertices('*:*', { order: `/${name} asc`, limit: 1 }));
    await ws.frames(vertices('+\\/a:$p', { p: name }));
  }
  for (const bad of ['\0', '\ud800']) assert.equal(await ws.refused(create({ '/a': bad })), 400);
});

test('hiro:R2 hiro:R3 tokens by JSON and by form, refreshed once, in an alphabet that fits a header', async () => {
  const { url } = system.hiro;
  const first = await login(url);
  assert.match(first._TOKEN, /^[A-Za-z0-9._-]+$/);
  assert.equal(first._TOKEN, first.access_token);
  assert.ok(first['expires-at'] > Date.now() && first.expires_in > 0);
  const claims = JSON.parse(Buffer.from(first._TOKEN.split('.')[1] ?? '', 'base64url').toString()) as { data: Record<string, unknown> };
  assert.equal(typeof claims.data['default-scope'], 'string');
  const application = { client_id: 'test', client_secret: 'x' };
  const second = await post(`${url}/api/auth/6.6/refresh`, { ...application, refresh_token: first.refresh_token });
  assert.equal(second.status, 200);
  assert.equal((await post(`${url}/api/6.1/auth/refresh`, { ...application, refresh_token: first.refresh_token })).status, 401);
  const form = new URLSearchParams({ grant_type: 'password', ...application, ...ADMIN });
  const third = await fetch(`${url}/api/auth/6.6/token`, { method: 'POST', body: form });
  const tokens = (await third.json()) as Login;
  assert.equal((await call('GET', `${url}/api/auth/6.6/me/account`, tokens.access_token)).status, 200);
  assert.equal((await post(`${url}/api/auth/6.6/app`, { ...application, username: ADMIN.username, password: 'wrong' })).status, 401);
});

test('hiro:R4 REST calls are equivalent to frames', async () => {
  const url = `${system.hiro.url}/api/graph/7.4`;
  const token = await system.token();
  const made = await post(`${url}/new/ogit%2FNote`, { 'ogit/name': 'rest', 'ogit/_xid': 'rest-xid' }, token);
  assert.equal(made.status, 200);
  const id = encodeURIComponent(String((made.body as Vertex)['ogit/_id']));
  assert.deepEqual((await call('GET', `${url}/${id}`, token)).body, made.body);
  assert.deepEqual((await call('GET', `${url}/xid/rest-xid`, token)).body, { items: [made.body] });
  assert.deepEqual(await call('GET', `${url}/xid/none`, token), { status: 200, body: { items: [] } });
  assert.equal(((await post(`${url}/${id}`, { '/a': '1' }, token)).body as Vertex)['/a'], '1');
  assert.equal(((await call('PUT', `${url}/${id}`, token, '{"/b":"2"}')).body as Vertex)['/a'], undefined);
  const other = (await post(`${url}/new/ogit%2FNote`, {}, token)).body as Vertex;
  const edge = (await post(`${url}/connect/ogit%2Frelates`, { out: (made.body as Vertex)['ogit/_id'], in: other['ogit/_id'] }, token))
    .body as Vertex;
  assert.equal((await call('DELETE', `${url}/${encodeURIComponent(String(edge['ogit/_id']))}`, token)).status, 200);
  const found = await post(`${url}/query/vertices`, { query: 'ogit\\/_xid:"rest-xid"', limit: -1 }, token);
  assert.equal((found.body as { items: unknown[] }).items.length, 1);
  const ids = await call('GET', `${url}/query/ids?query=${id},nothing`, token);
  assert.equal((ids.body as { items: unknown[] }).items.length, 1);
  // hiro-graph-js 6.1 asks at the root.
  assert.equal((await call('GET', `${system.hiro.url}/${id}`, token)).status, 200);
  assert.equal((await call('DELETE', `${url}/${id}`, token)).status, 200);
});

test('hiro:G12 regular expressions and times are found in the store as they are meant', async () => {
  const url = `${system.hiro.url}/api/graph/7.4`;
  const token = await system.token();
  for (const name of ['Max', 'Maria', 'xMax', 'max']) await post(`${url}/new/ogit%2FNote`, { '/f': name }, token);
  const names = async (query: string): Promise<unknown[]> => {
    const { status, body } = await post(`${url}/query/vertices`, { query, order: '/f asc', limit: -1 }, token);
    assert.equal(status, 200, JSON.stringify(body));
    return (body as { items: Vertex[] }).items.map((vertex) => vertex['/f']);
  };
  assert.deepEqual(await names('+\\/f:/Ma.*/'), ['Maria', 'Max']);
  assert.deepEqual(await names('+\\/f:/[Mm]a(x|ria)/ -\\/f:"max"'), ['Maria', 'Max']);
  assert.deepEqual(await names('+_exists_:"/f" +ogit\\/_created-on:[now-1h TO now+1h]'), ['Maria', 'Max', 'max', 'xMax']);
  assert.deepEqual(await names('+_exists_:"/f" +ogit\\/_created-on:[* TO now-1d/d]'), []);
  for (const query of ['+\\/f:/Ma(/', '+\\/f:max~', '+ogit\\/_created-on:[now-1x TO now]']) {
    assert.equal((await post(`${url}/query/vertices`, { query }, token)).status, 400, query);
  }
});
