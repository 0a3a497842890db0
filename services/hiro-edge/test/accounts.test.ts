/** What the edge hands out as an id is a vertex: accounts, the organization, data scopes and roles. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Client } from './client.ts';
import { call, login, post, type System, startSystem } from './system.ts';

let system: System;
let token: string;
let graph: string;
let auth: string;
let me: Vertex;
before(async () => {
  system = await startSystem();
  token = await system.token();
  graph = `${system.hiro.url}/api/graph/7.4`;
  auth = `${system.hiro.url}/api/auth/6.6`;
  me = (await call('GET', `${auth}/me/account`, token)).body as Vertex;
});
after(() => system[Symbol.asyncDispose]());

type Vertex = Record<string, unknown>;
const at = (id: unknown): string => `${graph}/${encodeURIComponent(String(id))}`;
const get = async (id: unknown, bearer = token) => await call('GET', at(id), bearer);
const vertex = async (id: unknown): Promise<Vertex> => (await get(id)).body as Vertex;
const items = async (path: string, body?: object): Promise<unknown[]> =>
  (
    (body === undefined ? await call('GET', `${graph}${path}`, token) : await post(`${graph}${path}`, body, token)).body as {
      items: unknown[];
    }
  ).items;
const idsOf = (found: readonly unknown[]): unknown[] => found.map((one) => (one as Vertex)['ogit/_id']);
const note = async (body: object = {}): Promise<Vertex> => (await post(`${graph}/new/ogit%2FNote`, body, token)).body as Vertex;

test('every id in a vertex, a token or `me` is the id of a vertex', async () => {
  const made = await note({ 'ogit/name': 'n' });
  const types = {
    'ogit/_owner': 'ogit/Auth/Account',
    'ogit/_creator': 'ogit/Auth/Account',
    'ogit/_modified-by': 'ogit/Auth/Account',
    'ogit/_organization': 'ogit/Auth/Organization',
    'ogit/_scope': 'ogit/Auth/DataScope',
  };
  for (const [name, type] of Object.entries(types)) {
    const found = await vertex(made[name]);
    assert.deepEqual([found['ogit/_id'], found['ogit/_type']], [made[name], type], name);
  }
  const account = await vertex(me['ogit/_id']);
  assert.deepEqual(account, me);
  assert.equal(account['ogit/name'], 'admin');
  assert.equal(account['ogit/_owner'], account['ogit/_id']);
  const { items: roles } = (await call('GET', `${auth}/me/roles`, token)).body as { items: Vertex[] };
  assert.deepEqual((await vertex(roles[0]?.['ogit/_id']))['ogit/_type'], 'ogit/Auth/Role');
  assert.equal((await vertex(account['ogit/_organization']))['ogit/name'], 'default');
});

test('accounts are found by type, id, name, count and order, as get shows them', async () => {
  const query = '+ogit\\/_type:"ogit/Auth/Account"';
  const [found] = await items('/query/vertices', { query });
  assert.deepEqual(found, await vertex(me['ogit/_id']));
  for (const also of [
    { query: `ogit\\/_id:"${me['ogit/_id']}"` },
    { query: '+ogit\\/name:"admin"' },
    { query: `+ogit\\/_owner:"${me['ogit/_id']}" +_exists_:"ogit/_scope"`, order: 'ogit/_created-on asc', limit: -1 },
  ]) {
    assert.ok(idsOf(await items('/query/vertices', also)).includes(me['ogit/_id']), also.query);
  }
  assert.deepEqual(await items('/query/vertices', { query, count: true }), [1]);
  assert.deepEqual(idsOf(await items('/query/ids', { query: String(me['ogit/_id']) })), [me['ogit/_id']]);
  assert.deepEqual(await items('/query/vertices', { query: '+ogit\\/_type:"polyedge/Account"' }), []);
});

test('accounts are listed in pages, and what is no page is refused', async () => {
  for (const username of ['page-1', 'page-2', 'page-3'])
    await post(`${system.hiro.url}/admin/accounts`, { username, password: 'a-good-password', roles: [] }, token);
  const list = async (query: string) => {
    const { status, body } = await call('GET', `${system.hiro.url}/admin/accounts${query}`, token);
    assert.equal(status, 200, JSON.stringify(body));
    return body as { readonly items: readonly { readonly id: string }[]; readonly next?: string };
  };
  const whole = await list('');
  assert.equal(whole.next, undefined);
  const ids: string[] = [];
  for (let after: string | undefined = ''; after !== undefined; ) {
    const { items, next } = await list(`?limit=2${after === '' ? '' : `&after=${after}`}`);
    assert.ok(items.length <= 2);
    ids.push(...items.map(({ id }) => id));
    after = next;
  }
  assert.ok(ids.length >= 4);
  assert.deepEqual(
    ids,
    whole.items.map(({ id }) => id),
  );
  for (const query of ['?limit=0', '?limit=1001', '?limit=x', '?limit=1&limit=2', '?after='])
    assert.equal((await call('GET', `${system.hiro.url}/admin/accounts${query}`, token)).status, 400, query);
});

test('what is no role or state of an account is refused, and changes nothing', async () => {
  const path = `${system.hiro.url}/admin/accounts`;
  const made = await post(path, { username: 'wrongly', password: 'a-good-password', roles: ['reader'] }, token);
  const { id } = made.body as { id: string };
  for (const body of [{ roles: 'admin' }, { roles: { hiro: 'admin' } }, { scopes: 'all' }, { disabled: 'yes' }])
    assert.equal((await call('PUT', `${path}/${id}`, token, JSON.stringify(body))).status, 400, JSON.stringify(body));
  assert.equal((await post(path, { username: ' ', password: 'a-good-password' }, token)).status, 400);
});

test('roles of several protocols that are given to an account at once are all there afterwards', async () => {
  const { body } = await post(`${system.hiro.url}/admin/accounts`, { username: 'many', password: 'a-good-password', roles: [] }, token);
  const { id } = body as { id: string };
  const protocols = ['saga', 'space', 'gooduncle', 'jssocket', 'console'];
  const put = (roles: object) => call('PUT', `${system.hiro.url}/admin/accounts/${id}`, token, JSON.stringify({ roles }));
  const answers = await Promise.all(protocols.map((protocol) => put({ [protocol]: ['one'] })));
  assert.deepEqual(
    answers.map(({ status }) => status),
    protocols.map(() => 200),
  );
  const last = (await put({ hiro: ['two'] })).body as { roles: Record<string, string[]> };
  assert.deepEqual(last.roles, { hiro: ['two'], ...Object.fromEntries(protocols.map((protocol) => [protocol, ['one']])) });
});

test('the last administrator of a protocol stays one, whichever protocol it is', async () => {
  const account = `${system.hiro.url}/admin/accounts/${me['ogit/_id']}`;
  for (const change of [{ roles: [] }, { roles: { space: ['USER'] } }, { disabled: true }]) {
    const refused = await call('PUT', account, token, JSON.stringify(change));
    assert.equal(refused.status, 403, JSON.stringify([change, refused.body]));
  }
  // Nothing has revoked the token.
  assert.equal((await call('PUT', account, token, JSON.stringify({ roles: { hiro: ['admin', 'reader'] } }))).status, 200);
  token = await system.token();
});

test('an account has a history without anything that belongs to its login', async () => {
  const { body } = await post(`${system.hiro.url}/admin/accounts`, { username: 'past', password: 'a-good-password', roles: [] }, token);
  const { id } = body as { id: string };
  await call('PUT', `${system.hiro.url}/admin/accounts/${id}`, token, JSON.stringify({ scopes: ['*'] }));
  const history = (await items(`/${id}/history?type=full`)) as { action: string; data: Vertex }[];
  assert.deepEqual(
    history.map(({ action, data }) => [action, data['ogit/_type'], data['ogit/name'], data.usernameKey]),
    [
      ['UPDATE', 'ogit/Auth/Account', 'past', undefined],
      ['CREATE', 'ogit/Auth/Account', 'past', undefined],
    ],
  );
  assert.equal((await items(`/${id}/history?type=diff&version=1`)).length, 1);
  assert.deepEqual((await vertex(history[0]?.data['ogit/_id']))['ogit/_v'], 2);
});

test('accounts are connected, walked from and to, and lose their edges when they are deleted', async () => {
  const made = await note();
  const edge = await post(`${graph}/connect/ogit%2Frelates`, { out: me['ogit/_id'], in: made['ogit/_id'] }, token);
  assert.equal(edge.status, 200);
  assert.deepEqual([(edge.body as Vertex)['ogit/_out-type'], (edge.body as Vertex)['ogit/_in-type']], ['ogit/Auth/Account', 'ogit/Note']);
  assert.deepEqual(idsOf(await items('/query/gremlin', { root: me['ogit/_id'], query: "out('ogit/relates')" })), [made['ogit/_id']]);
  assert.deepEqual(idsOf(await items('/query/gremlin', { root: made['ogit/_id'], query: 'in()' })), [me['ogit/_id']]);
  assert.equal((await post(`${graph}/connect/ogit%2Frelates`, { out: me['ogit/_id'], in: made['ogit/_id'] }, token)).status, 409);
  assert.equal((await call('DELETE', at((edge.body as Vertex)['ogit/_id']), token)).status, 200);
  assert.equal((await post(`${graph}/connect/ogit%2Frelates`, { out: 'nobody', in: made['ogit/_id'] }, token)).status, 404);
});

test('what belongs to logins is not written as a vertex, over REST and graph-ws alike', async () => {
  const organization = String(me['ogit/_organization']);
  const shown = [me['ogit/_id'], organization, 'role:admin'];
  for (const id of shown) {
    const before = await vertex(id);
    for (const [method, body] of [
      ['POST', { 'ogit/name': 'other' }],
      ['POST', { '+ogit/list': 'other' }],
      ['PUT', { 'ogit/name': 'other' }],
      ['DELETE', undefined],
    ] as const) {
      const answer = await call(method, at(id), token, body === undefined ? undefined : JSON.stringify(body));
      assert.equal(answer.status, 403, `${method} ${id} ${JSON.stringify(answer.body)}`);
    }
    const made = await call('PUT', `${at(id)}?createIfNotExists=true&ogit%2F_type=ogit%2FNote`, token, '{}');
    assert.ok([400, 403, 409].includes(made.status), `${id} ${made.status}`);
    assert.ok([400, 409].includes((await post(`${graph}/new/ogit%2FNote`, { 'ogit/_id': id }, token)).status));
    assert.deepEqual(await vertex(id), before);
  }
  for (const type of ['Account', 'Organization', 'Role']) {
    assert.equal((await post(`${graph}/new/ogit%2FAuth%2F${type}`, { 'ogit/name': 'x' }, token)).status, 403);
  }
  assert.equal((await call('DELETE', at(me['ogit/_scope']), token)).status, 403);
  assert.equal((await post(at(me['ogit/_scope']), { 'ogit/description': 'home' }, token)).status, 200);
  using client = new Client(system.hiro.port, '/api/graph-ws/6.1/', ['graph-2.0.0', `token-${token}`]);
  await client.open();
  client.send({ id: 'x', type: 'update', headers: { 'ogit/_id': me['ogit/_id'] }, body: { 'ogit/name': 'other' } });
  const [frame] = await client.answer('x');
  assert.equal((frame?.error as { code: number } | undefined)?.code, 403);
});

test('an account is read by those who may read its scope, and by itself', async () => {
  const scope = (await post(`${graph}/new/ogit%2FAuth%2FDataScope`, { 'ogit/name': 'apart' }, token)).body as Vertex;
  const ann = { username: 'ann', password: 'a-good-password' };
  const made = await post(`${system.hiro.url}/admin/accounts`, { ...ann, defaultScope: scope['ogit/_id'], roles: ['reader'] }, token);
  const { id } = made.body as { id: string };
  const own = (await login(system.hiro.url, ann))._TOKEN;
  assert.equal((await get(id, own)).status, 200);
  assert.equal((await get(me['ogit/_id'], own)).status, 403);
  assert.equal((await get(id)).status, 200);
  assert.equal((await get('role:reader')).status, 200);
});
