import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request as httpsRequest } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { selfSigned } from './certificate.ts';
import { Core, Page, SECRET } from './doubles.ts';
import { type LoneEdge, startEdge } from './edge.ts';
import { isHashOf } from './is-hash-of.ts';
import { raw, UPGRADE } from './raw.ts';
import { Socket } from './socket.ts';

let edge: LoneEdge;
before(async () => {
  edge = await startEdge();
});
after(() => edge[Symbol.asyncDispose]());

const http = (path: string, init: RequestInit = {}, port = edge.port) => fetch(`http://127.0.0.1:${port}${path}`, init);
test('jssocket:4 the probe gets exactly OK and a newline, also with a query, by HEAD and with upgrade headers', async () => {
  for (const path of ['/healthz', '/healthz?x=1']) {
    const answer = await http(path);
    assert.deepEqual(
      [answer.status, answer.headers.get('content-type'), Buffer.from(await answer.arrayBuffer()).toString('hex')],
      [200, 'text/plain', Buffer.from('OK\n').toString('hex')],
    );
  }
  const head = await http('/healthz', { method: 'HEAD' });
  assert.deepEqual([head.status, head.headers.get('content-length'), await head.text()], [200, '3', '']);
  const upgraded = await raw(edge.port, ['GET /healthz HTTP/1.1', ...UPGRADE]);
  assert.match(upgraded, /^HTTP\/1\.1 200 OK\r\n/);
  assert.equal((await http('/readyz')).status, 200);
});

test('jssocket:5 an upgrade succeeds on any path; without one a GET is 426 and anything else 400', async () => {
  for (const path of ['/', '/ws', '/ws/', '/a/b?c=d', '/healthz?x=1', '/%F0%9F%98%80']) {
    using socket = await new Socket(`ws://127.0.0.1:${edge.port}${path}`).open();
    assert.equal(socket.ws.protocol, '');
    const plain = path.startsWith('/healthz') ? undefined : await http(path);
    if (plain !== undefined) assert.deepEqual([plain.status, plain.headers.get('upgrade')], [426, 'websocket']);
  }
  for (const method of ['POST', 'PUT', 'DELETE']) assert.equal((await http('/ws', { method })).status, 400);
  assert.equal((await http('/ws', { method: 'HEAD' })).status, 400);
});

test('jssocket:31 offers of permessage-deflate and of sub-protocols are declined', async () => {
  const answer = await raw(edge.port, [
    'GET /ws HTTP/1.1',
    ...UPGRADE,
    'Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits',
    'Sec-WebSocket-Protocol: a, b',
  ]);
  assert.match(answer, /^HTTP\/1\.1 101 /);
  assert.doesNotMatch(answer, /sec-websocket-(extensions|protocol)/i);
  using offering = await new Socket(`ws://127.0.0.1:${edge.port}/ws`, { perMessageDeflate: true }).open();
  assert.equal(offering.ws.extensions, '');
});

test('jssocket:32 any origin is welcome; with a list, browsers of others are not, and the core is exempt', async () => {
  using any = new Socket(`ws://127.0.0.1:${edge.port}/ws`, { origin: 'https://anywhere.example' });
  await any.open();
  await using strict = await startEdge({ JSSOCKET_ALLOWED_ORIGINS: 'https://app.example, https://other.example' });
  using _core = await Core.start(strict.port);
  using good = new Socket(`ws://127.0.0.1:${strict.port}/ws`, { origin: 'https://app.example' });
  await good.open();
  using bad = new Socket(`ws://127.0.0.1:${strict.port}/ws`, { origin: 'https://evil.example' });
  assert.equal(await bad.until(() => bad.status), 403);
  // Without an Origin it is no browser.
  using _page = await Page.login(strict.port);
});

test('jssocket:5 with a strict path the others are 404', async () => {
  await using strict = await startEdge({ JSSOCKET_STRICT_PATH: '/ws' });
  using good = new Socket(`ws://127.0.0.1:${strict.port}/ws?token=x`);
  await good.open();
  for (const path of ['/', '/wsx', '/a/ws']) {
    using bad = new Socket(`ws://127.0.0.1:${strict.port}${path}`);
    assert.equal(await bad.until(() => bad.status), 404);
  }
});

test('jssocket:41 hash and terminate are ordinary paths unless enabled, and then they need the secret', async () => {
  for (const path of ['/hash', '/terminate']) assert.equal((await http(path, { headers: { pass: 'x', auth: SECRET } })).status, 426);
  await using legacy = await startEdge({ JSSOCKET_LEGACY_ADMIN: 'true' });
  for (const auth of ['', 'wrong']) {
    for (const path of ['/hash', '/terminate']) {
      assert.equal((await http(path, { headers: { pass: 'x', ...(auth === '' ? {} : { auth }) } }, legacy.port)).status, 401);
    }
  }
  const answer = await http('/hash', { headers: { pass: 'a secret', auth: SECRET } }, legacy.port);
  const hex = await answer.text();
  assert.match(hex, /^[0-9a-f]{120}$/);
  assert.ok(await isHashOf('a secret', hex));
  assert.equal((await http('/hash', { headers: { auth: SECRET } }, legacy.port)).status, 500);
});

test('jssocket:50 TLS with a certificate, and a line with X-Forwarded-For if enabled', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'jssocket-tls-'));
  try {
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    const pem = selfSigned();
    writeFileSync(key, pem.key);
    writeFileSync(cert, pem.cert);
    await using secure = await startEdge({ TLS_CERT_FILE: cert, TLS_KEY_FILE: key });
    using socket = new Socket(`wss://127.0.0.1:${secure.port}/ws`, { rejectUnauthorized: false, headers: { auth: SECRET } });
    await socket.open();
    socket.event('server_connect');
    assert.deepEqual(await socket.next(), { type: 'server_connect', data: true });
    const status = await new Promise((resolve, reject) => {
      const options = { host: '127.0.0.1', port: secure.port, path: '/healthz', rejectUnauthorized: false };
      httpsRequest(options, (response) => {
        response.resume();
        resolve(response.statusCode);
      })
        .on('error', reject)
        .end();
    });
    assert.equal(status, 200);
    await using logging = await startEdge({ JSSOCKET_LOG_FORWARDED: 'true' });
    using proxied = new Socket(`ws://127.0.0.1:${logging.port}/ws`, { headers: { 'X-Forwarded-For': '203.0.113.7', auth: SECRET } });
    await proxied.open();
    assert.ok(logging.lines.includes('handshake {"id":"203.0.113.7"}'), logging.lines.join('\n'));
  } finally {
    rmSync(folder, { recursive: true });
  }
});
