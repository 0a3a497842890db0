import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { PATIENCE_MS } from '@polyedge/testkit/until';
import { API_ENTRIES } from '../src/http/version.ts';
import { type LoneEdge, startLoneEdge } from './edge.ts';

let edge: LoneEdge;
before(async () => {
  edge = await startLoneEdge();
});
after(() => edge[Symbol.asyncDispose]());

const ask = (path: string, init: RequestInit = {}) =>
  fetch(`http://127.0.0.1:${edge.port}${path}`, { ...init, signal: AbortSignal.timeout(PATIENCE_MS) });

test("hiro:R1 version discovery has exactly the sample's keys in every entry", async () => {
  const version = await ask('/api/version');
  assert.equal(version.headers.get('content-type'), 'application/json');
  const entries = (await version.json()) as Record<string, Record<string, string>>;
  for (const [name, entry] of Object.entries(entries)) {
    assert.deepEqual(Object.keys(entry), ['endpoint', 'version', 'docs', 'support', 'specs', 'protocols', 'lifecycle']);
    assert.equal(entry.endpoint, `/api/${name}/${entry.version}/`);
  }
  assert.deepEqual(
    [entries['graph-ws']?.protocols, entries['events-ws']?.protocols, entries.graph?.protocols],
    ['graph-2.0.0', 'events-1.0.0', ''],
  );
  const lists = (await (await ask('/api/versions')).json()) as Record<string, unknown>;
  assert.deepEqual(lists.graph, [API_ENTRIES.graph]);
});

test('hiro:R8 failures are JSON of HIRO`s shape under exactly application/json', async () => {
  const cases: readonly [path: string, init: RequestInit, status: number][] = [
    ['/api/nothing', {}, 404],
    ['/api/graph/7.4/v1', {}, 401],
    ['/v1', {}, 401],
    ['/api/graph/7.4/v1', { headers: { authorization: 'Bearer bad' } }, 401],
    ['/api/auth/6.6/app', { method: 'POST', body: '{', headers: { 'content-type': 'application/json' } }, 400],
    ['/api/auth/6.6/app', { method: 'POST', body: '{}', headers: { 'content-type': 'application/json' } }, 400],
    ['/api/auth/6.6/token', { method: 'POST', body: new URLSearchParams({ grant_type: 'x' }) }, 400],
    ['/api/auth/6.6/me/account', {}, 401],
    ['/api/graph/7.4/query/ids', { method: 'DELETE', headers: { authorization: `Bearer ${edge.token()}` } }, 405],
    ['/api/graph/7.4/a/b/c', { headers: { authorization: `Bearer ${edge.token()}` } }, 404],
    ['/api/graph-ws/6.1/', {}, 426],
    ['/_events/', {}, 426],
  ];
  for (const [path, init, status] of cases) {
    const response = await ask(path, init);
    assert.equal(response.status, status, path);
    assert.equal(response.headers.get('content-type'), 'application/json');
    const { error } = (await response.json()) as { error: { code: number; message: string } };
    assert.deepEqual([error.code, typeof error.message], [status, 'string'], path);
  }
});

test('hiro:R7 browsers may ask beforehand and read the answer', async () => {
  const before = await ask('/api/graph/7.4/v1', {
    method: 'OPTIONS',
    headers: { origin: 'https://app.example', 'access-control-request-method': 'PUT', 'access-control-request-headers': 'authorization' },
  });
  assert.equal(before.status, 204);
  assert.equal(before.headers.get('access-control-allow-origin'), '*');
  assert.match(before.headers.get('access-control-allow-headers') ?? '', /authorization/i);
  assert.match(before.headers.get('access-control-allow-methods') ?? '', /PUT/);
  const answer = await ask('/api/version', { headers: { origin: 'https://app.example' } });
  assert.equal(answer.headers.get('access-control-allow-origin'), '*');
});

test('an allow-list of origins holds for REST and for upgrades', async () => {
  await using closed = await startLoneEdge({ HIRO_ALLOWED_ORIGINS: 'https://app.example, https://other.example' });
  const get = (origin: string) => fetch(`http://127.0.0.1:${closed.port}/api/version`, { headers: { origin } });
  assert.equal((await get('https://app.example')).headers.get('access-control-allow-origin'), 'https://app.example');
  assert.equal((await get('https://evil.example')).headers.get('access-control-allow-origin'), null);
});

test('health is answered before the legacy paths at the root', async () => {
  assert.deepEqual([(await ask('/healthz')).status, (await ask('/readyz')).status], [200, 200]);
});

test('while the directory does not answer, a login is 503 with the reason', async () => {
  const response = await ask('/api/auth/6.6/app', {
    method: 'POST',
    body: JSON.stringify({ client_id: 'c', client_secret: 's', username: 'u', password: 'p' }),
    headers: { 'content-type': 'application/json' },
  });
  assert.equal(response.status, 503);
});

test('applications that are not listed get no tokens', async () => {
  await using listed = await startLoneEdge({ HIRO_APPLICATIONS: 'known:secret' });
  const login = async (id: string, secret: string): Promise<number> => {
    const body = JSON.stringify({ client_id: id, client_secret: secret, username: 'u', password: 'p' });
    const response = await fetch(`http://127.0.0.1:${listed.port}/api/auth/6.6/app`, {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/json' },
    });
    return response.status;
  };
  assert.deepEqual([await login('other', 'secret'), await login('known', 'wrong'), await login('known', 'secret')], [401, 401, 503]);
});
