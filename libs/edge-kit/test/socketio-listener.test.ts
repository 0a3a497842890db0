import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import type { Effect, Opening } from '@polyedge/session/session';
import { PATIENCE_MS, until } from '@polyedge/testkit/until';
import { io, type Socket } from 'socket.io-client';
import { WebSocket } from 'ws';
import { changeOf } from '../src/testing/fake-feed.ts';
import type { SocketIoRaw } from '../src/transport/socketio-packets.ts';
import { heldRequests } from './held-requests.ts';
import { echo, type Handle, serve } from './socketio-edge.ts';

const once = (client: Socket, event: string): Promise<unknown> =>
  new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`no ${event} within a minute`)), PATIENCE_MS);
    client.once(event, (value: unknown) => {
      clearTimeout(late);
      resolve(value);
    });
  });

for (const transports of [['websocket'], ['polling'], ['polling', 'websocket']] as const) {
  test(`an event arrives before its acknowledgement, and in order (${transports.join(' then ')})`, async () => {
    await using edge = await serve();
    const client = await edge.connect({ transports: [...transports] });
    const log: unknown[] = [];
    client.onAny((event: string, value: unknown) => log.push([event, value]));
    const answers: unknown[] = [];
    for (let at = 0; at < 20; at += 1) {
      answers.push(
        client
          .timeout(3000)
          .emitWithAck('/say', { at })
          .then((answer) => log.push(answer)),
      );
    }
    await Promise.all(answers);
    const said = log.filter((entry) => Array.isArray(entry));
    assert.deepEqual(
      said,
      Array.from({ length: 20 }, (_, at) => ['/say', { at }]),
    );
    for (let at = 0; at < 20; at += 1) {
      const acks = log
        .slice(
          0,
          log.findIndex((entry) => JSON.stringify(entry) === JSON.stringify(['/say', { at }])),
        )
        .filter((entry) => entry === 'done');
      assert.ok(acks.length <= at, 'an acknowledgement overtook its event');
    }
  });
}

test('the HTTP routes of the same port still answer', async () => {
  await using edge = await serve();
  assert.equal(await (await fetch(`${edge.url}/anything`)).text(), 'rest');
});

test('changes reach every joined socket over either transport, once and in order', async () => {
  const handle: Handle = (input) =>
    input.kind === 'frame' && input.frame.kind === 'event'
      ? [{ do: 'subscribe', id: 's', to: { tenant: 't' }, view: { filter: { all: [] }, shape: '/changed' } }]
      : input.kind === 'subscribed'
        ? [{ do: 'send', frame: { kind: 'event', event: 'joined', args: [] } }]
        : echo(input);
  await using edge = await serve({ handle });
  const clients = [await edge.connect({ transports: ['websocket'] }), await edge.connect({ transports: ['polling'] })];
  for (const client of clients) {
    const joined = once(client, 'joined');
    client.emit('join');
    await joined;
  }
  const heard = clients.map((client) => {
    const seqs: unknown[] = [];
    client.on('/changed', (seq: unknown) => seqs.push(seq));
    return seqs;
  });
  const lasts = clients.map((client) => new Promise<void>((resolve) => client.on('/changed', (seq: unknown) => seq === 600 && resolve())));
  edge.feed.deliver(...Array.from({ length: 300 }, (_, at) => changeOf(at + 1)));
  edge.feed.deliver(...Array.from({ length: 300 }, (_, at) => changeOf(at + 301)));
  await Promise.all(lasts);
  for (const seqs of heard) {
    assert.deepEqual(
      seqs,
      Array.from({ length: 600 }, (_, at) => at + 1),
    );
  }
});

test('a token in the handshake is verified before anything the client sent is looked at', async () => {
  const first = ({ credential }: Opening): readonly Effect<SocketIoRaw>[] => [
    { do: 'send', frame: { kind: 'event', event: 'hello', args: [credential?.ok === true ? credential.value.username : 'nobody'] } },
  ];
  await using edge = await serve({ first });
  const client = io(edge.url, { auth: { token: 'good' }, transports: ['websocket'], forceNew: true, reconnection: false });
  const log: unknown[] = [];
  client.onAny((event: string, value: unknown) => log.push([event, value]));
  client.emit('early', 1);
  const answer: unknown = await client.timeout(3000).emitWithAck('early', 2);
  client.disconnect();
  assert.equal(answer, 'done');
  assert.deepEqual(log, [
    ['hello', 'ann'],
    ['early', 1],
    ['early', 2],
  ]);
});

test('an open socket does not keep its request, whose headers and query may have a token', async () => {
  await using edge = await serve();
  const collected = heldRequests(edge.server);
  const clients = [await edge.connect({ transports: ['websocket'] }), await edge.connect()];
  await until('the second one has left polling', () => clients[1]?.io.engine.transport.name === 'websocket');
  assert.ok((await collected()) >= 3);
  for (const client of clients) {
    const heard = once(client, 'still');
    client.emit('still', 'here');
    assert.equal(await heard, 'here');
  }
});

test('a namespace that is not served is refused, and the connection lives on', async () => {
  await using edge = await serve({ namespace: '/pricings' });
  const client = await edge.connect();
  await assert.rejects(edge.connect({}, '/other'), /Invalid namespace/);
  assert.equal(await client.timeout(3000).emitWithAck('x'), 'done');
});

test('closing says so to the client after everything that was sent', async () => {
  const handle: Handle = (input) => [...echo(input), { do: 'close', code: 1000, reason: 'enough' }];
  await using edge = await serve({ handle });
  for (const transports of [['websocket'], ['polling']]) {
    const client = await edge.connect({ transports });
    const last = once(client, 'last');
    const reason = once(client, 'disconnect');
    client.emit('last', 7);
    assert.equal(await last, 7);
    assert.equal(await reason, 'io server disconnect');
  }
});

test('a message over the limit ends the connection, and so do too many attachments', async () => {
  await using edge = await serve({ limits: { maxFrameBytes: 10_000 } });
  for (const args of [['x'.repeat(20_000)], Array.from({ length: 11 }, () => Buffer.from('x'))]) {
    const client = await edge.connect({ transports: ['websocket'] });
    const reason = once(client, 'disconnect');
    client.emit('big', ...args);
    assert.match(String(await reason), /transport/);
  }
  const client = await edge.connect({ transports: ['websocket'] });
  const said = once(client, 'few');
  client.emit('few', Buffer.from('x'));
  assert.equal(await said, 'binary');
});

test('connections over the limit, from elsewhere, or after the end was announced are refused', async () => {
  await using edge = await serve({ limits: { maxConnections: 1 }, listener: { origins: ['https://a.example'] } });
  await assert.rejects(edge.connect({ extraHeaders: { origin: 'https://b.example' }, transports: ['polling'] }));
  await edge.connect();
  await assert.rejects(edge.connect());
  edge.listener.stopAccepting();
  await assert.rejects(edge.connect());
  assert.equal(edge.listener.counts.rejected, 3);
});

test('a handshake to another path, for another transport or in another version is answered before anything is switched', async () => {
  await using edge = await serve({ listener: { allowEIO3: false } });
  const statusOf = async (target: string): Promise<unknown> => {
    const socket = new WebSocket(edge.url.replace('http', 'ws') + target);
    return new Promise((resolve) => {
      socket.once('error', () => {});
      socket.once('unexpected-response', (_, { statusCode }) => {
        socket.terminate();
        resolve(statusCode);
      });
      // A socket that is ended without an answer has none.
      socket.once('close', () => resolve('closed'));
      socket.once('open', () => {
        socket.terminate();
        resolve('open');
      });
    });
  };
  const answers: Readonly<Record<string, unknown>> = {
    '/': 404,
    '/elsewhere?EIO=4&transport=websocket': 404,
    '/socket.io?EIO=4&transport=websocket': 404,
    '//socket.io/?EIO=4&transport=websocket': 404,
    '/socket.io/': 400,
    '/socket.io/?EIO=4': 400,
    '/socket.io/?EIO=4&transport=polling': 400,
    '/socket.io/?EIO=4&transport=websocket&transport=flashsocket': 400,
    '/socket.io/?EIO=4&transport=__proto__': 400,
    '/socket.io/?transport=websocket': 400,
    '/socket.io/?EIO=3&transport=websocket': 400,
    '/socket.io/?EIO=5&transport=websocket': 400,
    '/socket.io/?EIO=4&transport=websocket&sid=nobody': 400,
    '/socket.io/?EIO=4&transport=websocket': 'open',
  };
  for (const [target, expected] of Object.entries(answers)) assert.equal(await statusOf(target), expected, target);
});

test('draining closes every socket', async () => {
  await using edge = await serve();
  const clients = await Promise.all([edge.connect({ transports: ['websocket'] }), edge.connect({ transports: ['polling'] })]);
  const reasons = clients.map((client) => once(client, 'disconnect'));
  await edge.driver.drain(0);
  assert.deepEqual(await Promise.all(reasons), ['io server disconnect', 'io server disconnect']);
});

test('draining lasts until the clients have answered the close frame, or its time is over', async () => {
  await using edge = await serve({ handle: (input) => (input.kind === 'drain' ? [{ do: 'drop' }] : []), limits: { closeTimeoutMs: 2000 } });
  const client = new WebSocket(`${edge.url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`);
  const closed = new Promise<number>((resolve) => client.once('close', resolve));
  await new Promise<void>((resolve) => {
    client.on('message', (data) => {
      if (String(data).startsWith('0')) client.send('40');
      if (String(data).startsWith('40')) resolve();
    });
  });
  client.pause();
  let drained = false;
  const draining = edge.driver.drain(0).then(() => {
    drained = true;
  });
  // The library has let go of it, and the client has read nothing of that.
  while (edge.listener.connections > 0) await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(drained, false);
  client.resume();
  assert.equal(await closed, 1005);
  await draining;
  assert.equal(edge.driver.connections, 0);
  const began = performance.now();
  let isLate = false;
  // Set before the edge's own timer, on the same event loop: however busy the machine is, that one is first.
  const late = setTimeout(() => setImmediate(() => setImmediate(() => (isLate = true))), 6000);
  const silent = connect(Number(new URL(edge.url).port), '127.0.0.1');
  silent.on('error', () => {});
  silent.write(
    'GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
  );
  silent.write(Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x34, 0x30])); // `40`, under a mask of zeros
  await new Promise((resolve) => silent.once('close', resolve).resume());
  assert.ok(performance.now() - began > 1500, 'a client that never answers has its time');
  await until('the driver hears of the end', () => edge.driver.connections === 0);
  assert.equal(isLate, false, 'a client that never answers is not held for longer');
  clearTimeout(late);
});

test('a flood of packets in one poll ends the connection', async () => {
  await using edge = await serve({ limits: { maxFrameBytes: 4_000_000 } });
  const opened = await (await fetch(`${edge.url}/socket.io/?EIO=4&transport=polling`)).text();
  const { sid } = JSON.parse(opened.slice(1)) as { sid: string };
  const post = (body: string) => fetch(`${edge.url}/socket.io/?EIO=4&transport=polling&sid=${sid}`, { method: 'POST', body });
  await post('40');
  await post(Array.from({ length: 50_000 }, (_, at) => `42${at}["x"]`).join('\x1e'));
  const poll = () => fetch(`${edge.url}/socket.io/?EIO=4&transport=polling&sid=${sid}`);
  // What was owed, Engine.IO's close packet, then nobody knows the session any more.
  const packets: string[] = [];
  let answer = await poll();
  // In one answer or in several.
  for (; answer.status === 200; answer = await poll()) packets.push(...(await answer.text()).split('\x1e'));
  assert.match(packets[0] ?? '', /^40/);
  assert.equal(packets.at(-1), '1');
  assert.equal(answer.status, 400);
});
