import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { answerFailures, clientServer, closePort, drainPort, letBrowsersIn, openPort, takeJson } from '../src/client-server.ts';
import { drainCalls } from '../src/http-calls.ts';
import { CannotStart } from '../src/lifecycle.ts';
import { silentLog } from '../src/log.ts';

const config = { tlsCertFile: undefined, tlsKeyFile: undefined, trustProxy: false };
const http = { requestTimeout: 60_000, headersTimeout: 60_000, keepAliveTimeout: 60_000, connectionsCheckingInterval: 50 };
const here = { host: '127.0.0.1', port: 0 };

test('no compiler of schemas is loaded, which would take a tenth of the start, and a route with a schema is refused', async () => {
  const app = clientServer({ config, http, spans: undefined });
  app.get('/', async () => ({}));
  await app.ready();
  const loaded = Object.keys(createRequire(import.meta.url).cache);
  assert.ok(loaded.some((path) => path.includes('/fastify/')));
  assert.deepEqual(
    loaded.filter((path) => /ajv|fast-json-stringify-compiler/.test(path)),
    [],
  );
  await app.close();
  const other = clientServer({ config, http, spans: undefined });
  other.get('/', { schema: { querystring: { type: 'object' } } }, async () => ({}));
  await assert.rejects(async () => await other.ready(), /a route has no schema here/);
});

test('a body that never ends is cut off after the time for a request', { timeout: 10_000 }, async () => {
  const app = clientServer({ config, http: { ...http, requestTimeout: 300, headersTimeout: 300 }, spans: undefined });
  takeJson(app);
  app.post('/', async () => ({}));
  const port = await openPort(app, here, silentLog);
  try {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    socket.write('POST / HTTP/1.1\r\nhost: here\r\ncontent-length: 100\r\n\r\n{');
    const [status = ''] = (await text(socket)).split('\r\n');
    assert.match(status, /^HTTP\/1\.1 408 /);
  } finally {
    await closePort(app);
  }
});

test('unreadable requests and exceptions are answered in the given form, and a taken port is reported in a sentence', async () => {
  const app = clientServer({ config, http, spans: undefined, bodyLimit: 16 });
  takeJson(app);
  answerFailures(app, silentLog, (reply, status, sentence) => reply.code(status).send({ sentence }));
  app.post('/', async ({ body }) => {
    if (body === 'throw') throw new Error('inside');
    return { got: body ?? 'nothing' };
  });
  app.get('/of/:id', async () => ({}));
  const port = await openPort(app, here, silentLog);
  try {
    const say = async (body: string | Buffer<ArrayBuffer>) => {
      const response = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body });
      return [response.status, await response.json()];
    };
    assert.deepEqual(await say('[1]'), [200, { got: [1] }]);
    assert.deepEqual(await say(' '), [200, { got: 'nothing' }]);
    assert.deepEqual(await say('{'), [400, { sentence: 'the body is not JSON' }]);
    for (const body of [Buffer.from('"\u00e9"', 'latin1'), Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]), Buffer.from([0xff])]) {
      assert.deepEqual(await say(body), [400, { sentence: 'the body is not UTF-8' }]);
    }
    assert.deepEqual(await say(Buffer.from('"é"')), [200, { got: 'é' }]);
    for (const [path, status, sentence] of [
      ['/%zz', 400, 'the path cannot be read'],
      ['/%ff?token=secret', 400, 'the path cannot be read'],
      [`/of/${'x'.repeat(101)}`, 414, 'the path is too long'],
    ] as const) {
      const response = await fetch(`http://127.0.0.1:${port}${path}`);
      assert.deepEqual([response.status, await response.json()], [status, { sentence }], path);
    }
    assert.deepEqual(await say('"throw"'), [500, { sentence: 'the service failed unexpectedly' }]);
    assert.equal((await say('"more than sixteen bytes"'))[0], 413);
    const other = clientServer({ config, http, spans: undefined });
    await assert.rejects(openPort(other, { host: '127.0.0.1', port }, silentLog), (error) => {
      assert.ok(error instanceof CannotStart);
      assert.match(error.message, new RegExp(`^port ${port} cannot be opened`));
      return true;
    });
  } finally {
    await closePort(app);
  }
});

test("behind a proxy a client's address is what that proxy says, whatever the client says before it", async () => {
  for (const [trustProxy, expected] of [
    [true, '192.0.2.7'],
    [false, '127.0.0.1'],
  ] as const) {
    const app = clientServer({ config: { ...config, trustProxy }, http, spans: undefined });
    app.get('/', async ({ ip }) => ({ ip }));
    const port = await openPort(app, here, silentLog);
    try {
      const response = await fetch(`http://127.0.0.1:${port}/`, { headers: { 'x-forwarded-for': '203.0.113.1, 198.51.100.2, 192.0.2.7' } });
      assert.deepEqual(await response.json(), { ip: expected });
    } finally {
      await closePort(app);
    }
  }
});

test('pages may send every header that we read, and origins that are not listed are not answered', async () => {
  const rules = { exposes: 'Link', methods: 'GET, PUT', status: 204 } as const;
  const cases = [
    [{ ...rules, origins: undefined }, '*', '*'],
    [{ ...rules, origins: ['https://app.example'] }, 'https://app.example', null],
    [{ ...rules, origins: undefined, credentials: true }, 'https://app.example', 'https://evil.example'],
  ] as const;
  for (const [given, app, evil] of cases) {
    const server = clientServer({ config, http, spans: undefined });
    await letBrowsersIn(server, given);
    server.addHook('onRequest', async (_request, reply) => reply.code(401).send({}));
    const port = await openPort(server, here, silentLog);
    try {
      const before = await fetch(`http://127.0.0.1:${port}/any/path`, {
        method: 'OPTIONS',
        headers: {
          origin: 'https://app.example',
          'access-control-request-method': 'PUT',
          'access-control-request-headers': 'access-token, traceparent, tracestate, x-of-tomorrow',
        },
      });
      assert.equal(before.status, 204);
      assert.equal(before.headers.get('access-control-allow-headers'), 'access-token, traceparent, tracestate, x-of-tomorrow');
      assert.equal(before.headers.get('access-control-allow-methods'), 'GET, PUT');
      for (const [origin, allowed] of [
        ['https://app.example', app],
        ['https://evil.example', evil],
      ] as const) {
        const { status, headers } = await fetch(`http://127.0.0.1:${port}/`, { headers: { origin } });
        assert.deepEqual([status, headers.get('access-control-allow-origin')], [401, allowed]);
        assert.equal(headers.get('access-control-expose-headers'), 'Link');
      }
      const bare = await fetch(`http://127.0.0.1:${port}/`, { method: 'OPTIONS' });
      assert.equal(bare.status, 204);
    } finally {
      await closePort(server);
    }
  }
});

test('a port that drains answers the calls in flight and those that still come, says that each connection ends, and cuts off what takes too long', async () => {
  const app = clientServer({ config, http, spans: undefined });
  const { promise: slow, resolve: answerSlow } = Promise.withResolvers<object>();
  app.get('/slow', () => slow);
  app.get('/fast', async () => ({}));
  app.get('/never', () => new Promise(() => {}));
  const port = await openPort(app, here, silentLog);
  const get = (path: string) => fetch(`http://127.0.0.1:${port}${path}`);
  const kept = await get('/fast');
  assert.equal(kept.headers.get('connection'), 'keep-alive');
  await kept.text();
  const inFlight = get('/slow');
  // The order of arrival: a call that came later was answered.
  await (await get('/fast')).text();
  const { promise: others, resolve: othersEnded } = Promise.withResolvers<void>();
  let drained = false;
  const draining = drainPort(app, others).then(() => {
    drained = true;
  });
  const late = await get('/fast');
  assert.deepEqual([late.status, late.headers.get('connection')], [200, 'close']);
  await late.text();
  othersEnded();
  // Sent now, and read by the server after it has learned that the others ended.
  const last = get('/fast');
  assert.equal((await last).status, 200);
  assert.equal(drained, false, 'a call is in flight');
  answerSlow({ slow: true });
  const answered = await inFlight;
  assert.deepEqual([answered.status, answered.headers.get('connection'), await answered.json()], [200, 'close', { slow: true }]);
  await draining;
  const cut = assert.rejects(get('/never'));
  await (await get('/fast')).text();
  await drainCalls(app.server, Promise.resolve(), 50);
  await closePort(app);
  await cut;
});

test('connections that came during one turn of the event loop are accepted several per turn, and the port is free afterwards', async () => {
  const count = 64;
  const app = clientServer({ config, http, spans: undefined });
  app.get('/', async () => ({}));
  const port = await openPort(app, here, silentLog);
  const connected = new Int32Array(new SharedArrayBuffer(4));
  // In a thread, because this one stands still until all have connected.
  const clients = new Worker(
    `const { workerData: { port, count, connected } } = require('node:worker_threads');
     for (let n = 0; n < count; n += 1) require('node:net').connect(port, '127.0.0.1', () => {
       if (Atomics.add(connected, 0, 1) === count - 1) Atomics.notify(connected, 0);
     });`,
    { eval: true, workerData: { port, count, connected } },
  );
  try {
    let accepted = 0;
    app.server.on('connection', () => {
      accepted += 1;
    });
    await once(clients, 'online');
    for (let seen = Atomics.load(connected, 0); seen < count; seen = Atomics.load(connected, 0)) Atomics.wait(connected, 0, seen, 1000);
    const before = accepted;
    let turns = 0;
    for (; accepted < count; turns += 1) await setImmediate();
    assert.ok(turns < (count - before) / 2, `${count - before} connections took ${turns} turns`);
  } finally {
    await clients.terminate();
    await closePort(app);
  }
  const next = clientServer({ config, http, spans: undefined });
  assert.equal(await openPort(next, { host: '127.0.0.1', port }, silentLog), port);
  await closePort(next);
});
