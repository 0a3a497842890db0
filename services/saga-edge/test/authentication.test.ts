import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { until } from '@polyedge/testkit/until';
import { Client, connect, type Generation, rest, type Session, session, type Transports } from './client.ts';
import { ADMIN, type System, startSystem } from './system.ts';

let system: System;
let url: string;
const open: { close(): void }[] = [];

before(async () => {
  system = await startSystem({ saga: { SAGA_AUTH_TIMEOUT_MS: '600s', SAGA_MAX_FRAME_BYTES: '100000' } });
  url = system.saga.url;
});
after(async () => {
  for (const client of open) client.close();
  await system[Symbol.asyncDispose]();
});

async function admin(transports?: Transports, generation?: Generation): Promise<Session> {
  const client = await session(url, ADMIN, transports, generation);
  open.push(client);
  return client;
}

function anonymous(transports?: Transports, generation?: Generation): Client {
  const client = new Client(connect(url, transports, generation));
  open.push(client);
  return client;
}

async function person(username: string): Promise<Session> {
  const password = `${username}-password`;
  const made = await rest(url)('POST', '/users/register', { username, password });
  assert.equal(made.status, 200, JSON.stringify(made.body));
  const client = await session(url, { username, password });
  open.push(client);
  return client;
}

const decode = (token: string): { readonly [claim: string]: unknown } =>
  JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'));

const matrix: readonly (readonly [Generation, Transports])[] = [
  ...([4, 3, 2] as const).flatMap((generation) =>
    [['websocket'], ['polling'], ['polling', 'websocket']].map((transports) => [generation, transports] as [Generation, Transports]),
  ),
];

for (const [generation, transports] of matrix) {
  test(`saga:1 saga:2 saga:8 socket.io-client ${generation} over ${transports.join(' and ')} logs in, joins and receives its write before its answer`, async () => {
    const client = await admin(transports, generation);
    assert.deepEqual(
      client.log.map((entry) => ('ev' in entry ? [entry.ev, entry.payload] : [entry.ack, entry.status_code])),
      [
        ['authenticated', true],
        ['authentication', 200],
      ],
    );
    assert.equal((await client.send('/users/join', client.me)).status_code, 200);
    const name = `smoke${generation}${transports.length}${transports[0]}`;
    const ack = await client.send('/users/properties/incr', { name, parent_id: client.me, value: 2 });
    assert.equal(ack.status_code, 200);
    const [event, answer] = client.log.slice(-2);
    assert.ok(event !== undefined && 'ev' in event && event.ev === '/properties');
    assert.deepEqual(event.payload, ack.body);
    assert.ok(answer !== undefined && 'ack' in answer);
    const refused = new Client(connect(url, transports, generation));
    refused.emit('authentication', { accessToken: 'x.y.z' });
    await refused.until(() => refused.reason !== undefined, 'disconnect');
    assert.equal(refused.events('unauthorized')[0].status_code, 401);
    assert.equal(refused.reason, 'io server disconnect');
  });
}

test('saga:5 a login answers with four fields, a bad password and an unknown user alike with 401', async () => {
  const good = await rest(url)('POST', '/users/login', ADMIN);
  assert.equal(good.status, 200);
  assert.deepEqual(Object.keys(good.body).sort(), ['_id', 'accessToken', 'refreshToken', 'username']);
  for (const bad of [
    { ...ADMIN, password: 'wrong-password' },
    { username: 'nobody', password: 'wrong-password' },
  ]) {
    const refused = await rest(url)('POST', '/users/login', bad);
    assert.equal(refused.status, 401);
    assert.deepEqual(refused.body, { status_code: 401, name: 'Unauthorized', message: 'Invalid username or password' });
  }
  assert.equal((await rest(url)('POST', '/users/login', { username: 'admin' })).status, 422);
});

test("saga:4 access tokens are signed with EdDSA and carry Saga's claims, with expires equal to exp", async () => {
  const { body } = await rest(url)('POST', '/users/login', ADMIN);
  const claims = decode(body.accessToken);
  assert.equal(claims.type, 'access');
  assert.equal(claims._id, body._id);
  assert.equal(claims.username, 'admin');
  assert.equal(Date.parse(String(claims.expires)), Number(claims.exp) * 1000);
  const header = JSON.parse(Buffer.from(body.accessToken.split('.')[0], 'base64url').toString('utf8'));
  assert.equal(header.alg, 'EdDSA');
});

test('saga:2 saga:3 bad tokens get different errors and end the connection, whether or not an acknowledgement was requested', async () => {
  const { body } = await rest(url)('POST', '/users/login', ADMIN);
  const parts = body.accessToken.split('.');
  const cases = [
    ['garbage', 'Token Decode Error'],
    [`${parts[0]}.${parts[1]}.${'A'.repeat(86)}`, 'Invalid Token'],
    [`${Buffer.from('{"alg":"none"}').toString('base64url')}.${parts[1]}.`, 'Invalid Token'],
    [body.refreshToken, undefined],
    [undefined, 'Invalid Token'],
    [7, 'Invalid Token'],
  ] as const;
  for (const [accessToken, message] of cases) {
    const client = anonymous();
    const ack = await client.send('authentication', { accessToken });
    await client.until(() => client.reason !== undefined);
    assert.equal(ack.status_code, 401);
    assert.equal(ack.body.name, 'Unauthorized');
    if (message !== undefined) assert.equal(ack.body.message, message, String(accessToken));
    assert.equal(client.events('unauthorized').length, 1);
    assert.equal(client.reason, 'io server disconnect');
    assert.equal('ev' in (client.log[0] ?? {}), true, 'the event comes before the answer');
  }
});

test('saga:3 a socket that does not authenticate in time gets an error and is disconnected', async () => {
  const impatient = await system.start('saga-edge', { SAGA_AUTH_TIMEOUT_MS: '100' });
  const client = new Client(connect(impatient.url));
  open.push(client);
  await client.until(() => client.reason !== undefined);
  assert.deepEqual(client.events('unauthorized'), [{ message: 'Authentication Timeout', status_code: 401, name: 'Unauthorized' }]);
});

test('saga:3 a join right behind the authentication is served, one before it is not', async () => {
  const { body } = await rest(url)('POST', '/users/login', ADMIN);
  const eager = anonymous();
  eager.emit('authentication', { accessToken: body.accessToken });
  assert.equal((await eager.send('/users/join', body._id)).status_code, 200);
  const early = anonymous();
  const refused = await early.send('/users/join', body._id);
  assert.equal(refused.status_code, 401);
  assert.equal(refused.body.message, 'Invalid Token');
});

test('saga:2 another authentication on a live socket replaces who it is, and a bad one ends it', async () => {
  const client = await admin();
  const other = await person('reauth');
  assert.equal((await client.send('/users/join', client.me)).status_code, 200);
  assert.equal((await client.send('/globals/join')).status_code, 200);
  assert.equal((await client.send('authentication', { accessToken: other.token })).status_code, 200);
  // What the new user may not hear is left; the globals stay.
  await other.api('POST', `/users/${other.me}/properties`, { name: 'mine', value: 1 });
  const boss = await admin();
  await boss.send('/users/properties', { parent_id: client.me, name: 'secret', value: 1 });
  await boss.send('/globals/properties', { name: 'seen', value: 1 });
  await client.next('/properties');
  assert.deepEqual(
    client.events('/properties').map(({ name }) => name),
    ['seen'],
  );
  assert.equal((await client.send('/users/properties', { parent_id: client.me, name: 'x', value: 1 })).status_code, 403);
  client.emit('authentication', { accessToken: 'nonsense' });
  await client.until(() => client.reason !== undefined);
});

test('saga:5 a token is taken from the header, from a Bearer header and from the query, in this order', async () => {
  const { body } = await rest(url)('POST', '/users/login', ADMIN);
  const token = body.accessToken;
  const call = rest(url);
  assert.equal((await call('GET', '/users/me', undefined, { 'access-token': token })).status, 200);
  assert.equal((await call('GET', '/users/me', undefined, { authorization: `BEARER ${token}` })).status, 200);
  assert.equal((await call('GET', `/users/me?access-token=${token}`)).status, 200);
  assert.equal((await call('GET', `/users/me?access-token=${token}`, undefined, { 'access-token': 'bad' })).status, 401);
  assert.equal((await call('GET', '/users/me')).body.message, 'Invalid Token');
});

test('saga:5 registration checks names and passwords, and a refresh replaces both tokens', async () => {
  const call = rest(url);
  for (const [bad, field] of [
    [{}, 'username'],
    [{ username: 'a b' }, 'username'],
    [{ username: 'x'.repeat(65) }, 'username'],
    [{ username: 'shorty', password: '1234567' }, 'password'],
    [{ username: 'ADMIN', password: 'long-enough' }, 'username'],
  ] as const) {
    const refused = await call('POST', '/users/register', bad);
    assert.equal(refused.status, 422);
    assert.equal(typeof refused.body.errors[field], 'string');
  }
  const made = await call('POST', '/users/register', { username: 'rita', email: 'rita@example.org', password: 'rita-password' });
  assert.equal(made.body.email, 'rita@example.org');
  const { _id } = made.body;
  assert.equal((await call('POST', '/users/login', { username: 'rita@example.org', password: 'rita-password' })).body._id, _id);
  const fresh = await call('POST', `/users/${_id}/refresh_token`, { refreshToken: made.body.refreshToken });
  assert.equal(fresh.status, 200);
  assert.notEqual(fresh.body.refreshToken, made.body.refreshToken);
  // A client that lost the answer gets it again for a while.
  const again = await call('POST', `/users/${_id}/refresh_token`, { refreshToken: made.body.refreshToken });
  assert.deepEqual(again.body, fresh.body);
  assert.equal((await rest(url, fresh.body.accessToken)('GET', '/users/me')).body.username, 'rita');
  assert.equal((await call('POST', `/users/${_id}/refresh_token`, { refreshToken: 'nonsense' })).status, 401);
  assert.deepEqual((await call('POST', '/users/logout', { refreshToken: fresh.body.refreshToken })).body, { ok: 1 });
  assert.equal((await call('POST', `/users/${_id}/refresh_token`, { refreshToken: fresh.body.refreshToken })).status, 401);
  const nameless = await call('POST', '/users/register', { username: 'nopass' });
  assert.equal(typeof nameless.body.accessToken, 'string');
});

test('saga:4 revoking a login reaches its open sockets', async () => {
  const user = await person('gone');
  await (await admin()).api('PUT', `/users/${user.me}`, { password: 'another-password' });
  await user.until(() => user.reason !== undefined);
  assert.equal(user.events('unauthorized').length, 1);
});

test('saga:15 saga:37 a change of roles applies to the next message of an open socket, and leaves rooms that are no longer allowed', async () => {
  const boss = await admin();
  const user = await person('rolf');
  assert.deepEqual((await user.api('GET', '/users/me')).body.roles, ['User']);
  assert.equal((await user.send('/globals/join')).status_code, 200);
  assert.equal((await user.send('/globals/properties', { name: 'g', value: 1 })).status_code, 403);
  const role = await boss.api('POST', '/roles', { title: 'Writer', permissions: [{ path: '/globals/', action: '*', allow: true }] });
  assert.equal(role.status, 200, JSON.stringify(role.body));
  assert.deepEqual((await boss.api('PUT', `/users/${user.me}/roles`, { role: 'Writer' })).body.roles, ['User', 'Writer']);
  await until('the role allows it', async () => (await user.send('/globals/properties', { name: 'g', value: 1 })).status_code === 200);
  assert.equal((await user.api('PUT', `/users/${user.me}/roles`, { role: 'Admin' })).status, 403, 'nobody gives rights to himself');
  await boss.api('PUT', `/roles/${role.body._id}`, { permissions: [{ path: '/globals/', action: '*', allow: false }] });
  await until('the role forbids it', async () => (await user.send('/globals/properties', { name: 'g', value: 1 })).status_code === 403);
  assert.equal((await boss.api('DELETE', `/roles/${role.body._id}`)).status, 200);
  assert.equal((await boss.api('DELETE', `/roles/${role.body._id}`)).status, 404);
});

test('the last administrator keeps his role and is not deleted, not even by himself', async () => {
  const boss = await admin();
  assert.equal((await boss.api('DELETE', `/users/${boss.me}/roles`, { role: 'Admin' })).status, 403);
  assert.equal((await boss.api('DELETE', `/users/${boss.me}`)).status, 403);
  assert.deepEqual((await boss.api('GET', '/users/me')).body.roles, ['Admin']);
});

test('saga:6 saga:35 every failure is an object with strings in it; without a callback it comes as an error event', async () => {
  const client = await admin();
  client.emit('/users/join', 'nobody');
  const body = await client.next('error');
  assert.deepEqual(body, { status_code: 404, name: 'Not Found', message: 'User does not exist' });
  client.emit('/what');
  assert.equal((await client.next('error', 2)).status_code, 404);
  for (const [method, path, data] of [
    ['GET', '/nothing/here', undefined],
    ['POST', '/bots', '{not json'],
    ['POST', '/bots', 'x'.repeat(150_000)],
    ['POST', '/bots', {}],
    ['PUT', '/users/me/nothing', {}],
    ['GET', '/bots?page=0', undefined],
  ] as const) {
    const answer = await client.api(method, path, data);
    assert.ok(answer.status >= 400, path);
    assert.equal(answer.body.status_code, answer.status);
    assert.equal(typeof answer.body.name, 'string');
    for (const value of Object.values(answer.body.errors ?? {})) assert.equal(typeof value, 'string');
  }
});

test('a wrong password costs as many look-ups for an unknown e-mail address as for a known one', async () => {
  const limits = { GRAPH_STORE_LOGIN_FAILURES_PER_ADDRESS: '6', GRAPH_STORE_LOGIN_FAILURES_PER_ACCOUNT: '100' };
  await using own = await startSystem({ store: limits, saga: { SAGA_TRUST_PROXY: 'true' } });
  const known = 'known@example.org';
  const made = await rest(own.saga.url)('POST', '/users/register', { username: 'known', email: known, password: 'known-password' });
  assert.equal(made.status, 200, JSON.stringify(made.body));
  /** How many wrong passwords are looked at before this client has to wait. */
  const tries = async (address: string, username: string): Promise<number> => {
    for (let count = 0; count < 20; count += 1) {
      const { status } = await fetch(`${own.saga.url}/users/login`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-forwarded-for': address },
        body: JSON.stringify({ username, password: 'wrong-password' }),
      });
      if (status === 429) return count;
      assert.equal(status, 401);
    }
    return assert.fail('nobody has to wait');
  };
  assert.equal(await tries('192.0.2.1', 'unknown@example.org'), await tries('192.0.2.2', known));
});

test("saga:5 an e-mail address is one user's, also for those who ask at once, and never another one's user name", async () => {
  const call = rest(url);
  const register = (username: string, email?: string) =>
    call('POST', '/users/register', { username, password: `${username}-password`, ...(email === undefined ? {} : { email }) });
  const first = await register('mia', 'mia@example.org');
  assert.equal(first.status, 200, JSON.stringify(first.body));
  for (const email of ['mia@example.org', 'Mia@Example.org']) {
    const second = await register('other-mia', email);
    assert.deepEqual([second.status, second.body.errors], [422, { email: 'is taken' }]);
  }
  // The name of who was refused is free.
  const free = await register('other-mia', 'other@example.org');
  assert.equal(free.status, 200, JSON.stringify(free.body));
  assert.equal((await call('POST', '/users/login', { username: 'MIA@example.org', password: 'mia-password' })).body._id, first.body._id);

  const name = await register('mia@example.org');
  assert.deepEqual([name.status, name.body.errors], [422, { username: 'is taken' }]);
  assert.equal((await register('noa@example.org')).status, 200);
  const address = await register('noa', 'noa@example.org');
  assert.deepEqual([address.status, address.body.errors], [422, { email: 'is taken' }]);

  const { _id, accessToken } = free.body;
  const own = rest(url, accessToken);
  for (const email of ['mia@example.org', 'noa@example.org']) {
    const changed = await own('PUT', `/users/${_id}`, { email });
    assert.deepEqual([changed.status, changed.body.errors], [422, { email: 'is taken' }]);
  }
  assert.equal((await own('PUT', `/users/${_id}`, { email: 'Other@example.org' })).body.email, 'Other@example.org');
  assert.equal((await own('PUT', `/users/${_id}`, { email: null })).status, 200);
  const next = await register('third', 'other@example.org');
  assert.equal(next.status, 200, JSON.stringify(next.body));

  const racers = ['ra', 'rb', 'rc', 'rd'];
  const raced = await Promise.all(racers.map((username) => register(username, 'race@example.org')));
  assert.deepEqual(raced.map(({ status }) => status).sort(), [200, 422, 422, 422]);
  const winner = raced.find(({ status }) => status === 200)?.body;
  const password = `${winner.username}-password`;
  assert.equal((await call('POST', '/users/login', { username: 'race@example.org', password })).body._id, winner._id);
  const loser = racers.find((username) => username !== winner.username) ?? '';
  assert.equal((await register(loser)).status, 200, 'a name that was given back is free');
});
