/** Every status, name and message of an error of Saga, over REST and a socket. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type ErrorCode, errors } from '@polyedge/contracts/errors';
import { toError } from '@polyedge/saga/errors';
import { Client, connect, rest } from './client.ts';
import { type LoneEdge, startLoneEdge } from './lone.ts';

const CODES = Object.keys(errors) as ErrorCode[];

let edge: LoneEdge;
before(async () => {
  edge = await startLoneEdge(CODES, { SAGA_MAX_FRAME_BYTES: '65536', SAGA_MAX_JOINS: '1', SAGA_ALLOW_UNVERIFIED: 'false' });
});
after(() => edge[Symbol.asyncDispose]());

const admin = (): string => edge.token({ account: 'admin' });

/** A socket that has sent a token. */
async function withToken(token: unknown): Promise<{ readonly client: Client; readonly ack: Awaited<ReturnType<Client['send']>> }> {
  const client = new Client(connect(edge.url));
  return { client, ack: await client.send('authentication', { accessToken: token }) };
}

test('saga:6 every failure has its status, name and message over REST', async () => {
  const api = rest(edge.url, admin());
  for (const code of CODES) {
    const expected = toError({ code });
    const { status, body } = await api('GET', `/bots/${code}`);
    assert.deepEqual([status, body], [expected.status_code, expected], code);
  }
});

test('saga:6 every failure is an acknowledgement and an error event of a socket', async () => {
  const { client, ack } = await withToken(admin());
  assert.equal(ack.status_code, 200);
  for (const code of CODES) {
    const expected = toError({ code });
    const answered = await client.send('/bots/join', code);
    assert.deepEqual([answered.status_code, answered.body], [expected.status_code, expected], code);
    const before = client.events('error').length;
    client.emit('/bots/join', code);
    await client.until(() => client.events('error').length > before, `the error event of ${code}`);
    assert.deepEqual(client.events('error').at(-1), { ...client.events('error').at(-1), ...expected }, code);
  }
  client.close();
});

test('saga:6 errors of the edge itself have the same form: requests, tokens, rights, sizes and limits', async () => {
  const [forged, expired] = [`${admin().slice(0, -8)}AAAAAAAA`, edge.token({ account: 'admin', lifetimeMs: -600_000 })];
  const cases: readonly (readonly [string, string, string | undefined, unknown, number, string, RegExp | undefined])[] = [
    ['GET', '/nothing', admin(), undefined, 404, 'Not Found', undefined],
    ['GET', '/bots/b', undefined, undefined, 401, 'Unauthorized', /^Invalid Token$/],
    ['GET', '/bots/b', forged, undefined, 401, 'Unauthorized', /^Invalid Token$/],
    ['GET', '/bots/b', 'x', undefined, 401, 'Unauthorized', /^(Token Decode Error|Invalid Token)$/],
    ['GET', '/bots/b', expired, undefined, 401, 'Unauthorized', /^Token Expired$/],
    ['GET', '/bots/b', edge.token({ account: 'gone' }), undefined, 401, 'Unauthorized', /^Missing User$/],
    ['GET', '/bots/b', edge.token({ account: 'unverified' }), undefined, 403, 'Forbidden', /^Unverified User$/],
    ['DELETE', '/bots/b', edge.token({ account: 'user' }), undefined, 403, 'Forbidden', /^Insufficient Permissions$/],
    ['POST', '/bots', admin(), '{', 400, 'Bad Request', /is not JSON/],
    ['GET', '/users/%zz', admin(), undefined, 400, 'Bad Request', /^the path cannot be read$/],
    ['GET', `/users/${'x'.repeat(1025)}`, admin(), undefined, 400, 'Bad Request', /^the path is too long$/],
    ['GET', `/bots/${'x'.repeat(513)}`, admin(), undefined, 404, 'Not Found', /^Bot does not exist$/],
    ['GET', '/users//', admin(), undefined, 404, 'Not Found', /^User does not exist$/],
    ['POST', '/bots', admin(), {}, 422, 'Unprocessable Entity', /name/],
    ['POST', '/bots', admin(), { name: 'x'.repeat(70_000) }, 413, 'Payload Too Large', undefined],
  ];
  for (const [method, path, token, data, status, name, message] of cases) {
    const answered = await rest(edge.url, token)(method, path, data);
    const what = `${method} ${path} ${message}`;
    assert.deepEqual([answered.status, answered.body.status_code, answered.body.name], [status, status, name], what);
    if (message !== undefined) assert.match(answered.body.message, message, what);
  }
  for (const [token, message] of [
    [undefined, 'Invalid Token'],
    [7, 'Invalid Token'],
    [forged, 'Invalid Token'],
    [expired, 'Token Expired'],
    [edge.token({ account: 'gone' }), 'Missing User'],
  ] as const) {
    const { client, ack } = await withToken(token);
    assert.deepEqual([ack.status_code, ack.body.message], [401, message]);
    assert.deepEqual(client.events('unauthorized'), [{ message, status_code: 401, name: 'Unauthorized' }]);
    await client.until(() => client.reason !== undefined, 'the end of the socket');
  }
});

test('saga:6 a socket gets errors for what is not allowed, unknown or too much', async () => {
  const early = new Client(connect(edge.url));
  assert.equal((await early.send('/bots/join', 'b')).body.message, 'Invalid Token');
  early.close();
  const { client: plain } = await withToken(edge.token({ account: 'user' }));
  assert.equal((await plain.send('/users/join', 'another')).body.message, 'Insufficient Permissions');
  plain.close();
  const { client } = await withToken(admin());
  const statuses: Readonly<Record<string, readonly [number, ...unknown[]]>> = {
    '/nothing': [404, {}],
    '/bots/properties/fly': [404, { parent_id: 'b', name: 'n' }],
    '/bots/properties': [422, { parent_id: 'b' }],
    '/bots/signals': [400, 7],
    '/bots/join': [404, 'x'.repeat(513)],
  };
  for (const [event, [status, ...args]] of Object.entries(statuses))
    assert.equal((await client.send(event, ...args)).status_code, status, event);
  client.close();
});
