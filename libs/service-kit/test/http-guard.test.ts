import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { until } from '@polyedge/testkit/until';
import { type GuardOptions, guardHttp } from '../src/http-guard.ts';

/** A guarded server that says what it sees. */
async function serve(options: GuardOptions = {}) {
  const server = createServer({ requestTimeout: 5000, connectionsCheckingInterval: 20 }, async (request, response) => {
    const { url, headers } = request;
    response.end(JSON.stringify({ url, host: headers.host, body: await text(request).catch(() => 'aborted') }));
  });
  const upgrades: IncomingMessage[] = [];
  server.on('upgrade', (request, socket) => {
    upgrades.push(request);
    socket.end('HTTP/1.1 101 Switching Protocols\r\n\r\n');
  });
  guardHttp(server, options);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo; // listening on TCP
  const dial = async (): Promise<Socket> => {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    return socket;
  };
  return {
    upgrades,
    dial,
    /** Sends bytes; everything that comes until the server closes. */
    say: async (bytes: string): Promise<string> => {
      const socket = await dial();
      socket.write(bytes);
      return text(socket);
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const statusOf = (answer: string): number => Number(/^HTTP\/1\.[01] (\d{3})/.exec(answer)?.[1]);
const handshake = (lines: readonly string[] = [], first = 'GET / HTTP/1.1'): string =>
  [first, 'Host: a', 'Upgrade: websocket', 'Connection: keep-alive, Upgrade', 'Sec-WebSocket-Version: 13', ...lines, '', ''].join('\r\n');

test('an upgrade to anything but websocket is ignored: the request is answered, and the connection stays open', async () => {
  await using server = await serve();
  const h2c = (method: string, more: string) =>
    `${method} /first HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAB\r\n${more}`;
  const socket = await server.dial();
  const ask = async (bytes: string): Promise<unknown> => {
    socket.write(bytes);
    const [answer] = await once(socket, 'data');
    return JSON.parse(/\{.*\}/.exec(String(answer))?.[0] ?? '""');
  };
  assert.deepEqual(await ask(h2c('GET', '\r\n')), { url: '/first', host: 'a', body: '' });
  assert.deepEqual(await ask(h2c('POST', 'Content-Length: 4\r\n\r\nbody')), { url: '/first', host: 'a', body: 'body' });
  assert.deepEqual(await ask(h2c('POST', 'Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n')), {
    url: '/first',
    host: 'a',
    body: 'body',
  });
  const warnings: Error[] = [];
  const warned = (warning: Error): void => void warnings.push(warning);
  process.on('warning', warned);
  for (let at = 0; at < 50; at += 1) await ask(h2c('GET', '\r\n'));
  process.off('warning', warned);
  assert.deepEqual(warnings, []);
  // What comes behind it in the same segment is not lost.
  const last = 'GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';
  socket.write(`${h2c('GET', '\r\n')}${h2c('POST', 'Content-Length: 4\r\n\r\nbody')}${last}`);
  const answers = await text(socket);
  assert.deepEqual(
    answers.match(/\{.*?\}/g)?.map((found) => JSON.parse(found)),
    [
      { url: '/first', host: 'a', body: '' },
      { url: '/first', host: 'a', body: 'body' },
      { url: '/last', host: 'a', body: '' },
    ],
  );
  assert.equal(server.upgrades.length, 0);
});

test('a request target may be absolute, and its host counts; also for an upgrade', async () => {
  await using server = await serve();
  const seen = async (target: string) =>
    JSON.parse(/\{.*\}/.exec(await server.say(`GET ${target} HTTP/1.1\r\nHost: other\r\nConnection: close\r\n\r\n`))?.[0] ?? '{}');
  assert.deepEqual(await seen('http://name:81/path?a=http://b'), { url: '/path?a=http://b', host: 'name:81', body: '' });
  assert.deepEqual(await seen('HTTPS://name'), { url: '/', host: 'name', body: '' });
  assert.deepEqual(await seen('http://name?x'), { url: '/?x', host: 'name', body: '' });
  assert.deepEqual(await seen('/http://name/'), { url: '/http://name/', host: 'other', body: '' });
  await server.say(handshake([], 'GET http://name/socket?x=1 HTTP/1.1').replace('websocket', 'h2c, WebSocket'));
  assert.deepEqual(
    server.upgrades.map(({ url, headers }) => [url, headers.host, headers.upgrade]),
    [['/socket?x=1', 'name', 'websocket']],
  );
});

test('an ambiguous request or an invalid RFC 6455 handshake is refused', async () => {
  await using server = await serve();
  const cases: readonly (readonly [string, number, RegExp?])[] = [
    ['GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n', 400],
    [handshake(['Host: a']), 400],
    [handshake().replace('Host: a\r\n', ''), 400],
    ...['a b', 'a/b', 'a@b', 'a:b', 'a:1:2', '[::1', '::1', 'a#', 'a\\b'].flatMap((host) => [
      [handshake().replace('Host: a', `Host: ${host}`), 400] as const,
      [`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`, 400] as const,
    ]),
    ...['/#', '/path#/more', '/?a=b#c', 'http://a/#b'].flatMap((target) => [
      [handshake([], `GET ${target} HTTP/1.1`), 400] as const,
      [`GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`, 400] as const,
    ]),
    [handshake([], 'GET / HTTP/1.0'), 400],
    [handshake(['Content-Length: 4']), 400],
    [handshake(['Transfer-Encoding: chunked']), 400],
    [handshake([], 'POST / HTTP/1.1'), 405, /^Allow: GET\r$/m],
    [handshake().replace('Version: 13', 'Version: 8'), 426, /^Sec-WebSocket-Version: 13\r$/m],
    [handshake().replace(/Sec-WebSocket-Version.*\r\n/, ''), 426, /^Sec-WebSocket-Version: 13\r$/m],
  ];
  for (const [bytes, status, header] of cases) {
    const answer = await server.say(bytes);
    assert.equal(statusOf(answer), status, bytes);
    assert.equal(JSON.parse(answer.split('\r\n\r\n')[1] ?? '').error.code, status);
    if (header !== undefined) assert.match(answer, header);
  }
  assert.equal(server.upgrades.length, 0);
  assert.equal(statusOf(await server.say(handshake(['Content-Length: 0']))), 101);
  for (const host of ['', ':80', 'a.example:80', '[::1]:80', 'a_b', '127.0.0.1']) {
    assert.equal(statusOf(await server.say(handshake().replace('Host: a', `Host: ${host}`))), 101, host);
  }
});

test('a body that trickles is cut off, unless its sender shows that it may take long', { timeout: 20_000 }, async () => {
  const asked: (string | undefined)[] = [];
  await using server = await serve({
    bodyMs: 50,
    mayTakeLong: async ({ headers }) => {
      asked.push(headers.authorization);
      if (headers.authorization === 'broken') throw new Error('nobody knows');
      return headers.authorization === 'good';
    },
  });
  const post = (authorization: string, more = 'Content-Length: 4') =>
    `POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: ${authorization}\r\n${more}\r\n\r\n`;
  for (const [who, length] of [
    ['bad', 'Content-Length: 4'],
    ['bad', 'Transfer-Encoding: chunked'],
    ['broken', 'Content-Length: 4'],
  ] as const) {
    const socket = await server.dial();
    const answer = text(socket);
    // However often something comes.
    const trickle = setInterval(() => socket.write(length.startsWith('C') ? '' : '1\r\nx\r\n'), 10);
    socket.write(post(who, length));
    assert.equal(statusOf(await answer), 408, who);
    clearInterval(trickle);
  }
  const socket = await server.dial();
  const answer = text(socket);
  socket.write(post('good'));
  await until('the good one is asked', () => asked.includes('good'));
  socket.write('done');
  assert.match(await answer, /"body":"done"/);
  assert.match(await server.say(`${post('none')}done`), /"body":"done"/);
  assert.deepEqual(asked, ['bad', 'bad', 'broken', 'good']);
});
