/** Connections to Redis that do not come about. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { JournalRedis } from '@polyedge/journal/journal-redis';
import { connectRedis } from '@polyedge/journal/redis';
import { startRedis } from '@polyedge/testkit/servers/redis';
import { until } from '@polyedge/testkit/until';

/** A fatal TLS alert, decode_error (RFC 8446, 6): what OpenSSL answers to a handshake that ends early. */
const DECODE_ERROR = Buffer.from([21, 3, 3, 0, 2, 2, 50]);

test('a connection that is ended during its TLS handshake ends no process', async () => {
  const sockets: Socket[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    socket.once('data', () => redis.disconnect());
    socket.once('end', () => socket.end(DECODE_ERROR));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const errors: unknown[] = [];
  const note = (error: unknown) => void errors.push(error);
  process.on('uncaughtException', note);
  const { port } = server.address() as AddressInfo;
  const redis = connectRedis({ url: `rediss://127.0.0.1:${port}`, name: 'test', onError: () => {} });
  try {
    await until('the handshake was answered', () => sockets.some((socket) => socket.closed));
    await until('the connection has ended', () => redis.status === 'end');
    assert.deepEqual(errors, []);
  } finally {
    process.off('uncaughtException', note);
    server.close();
  }
});

test('why a server is not reached is reported once, and again after it was reached; the password is not part of it', async () => {
  await using server = await startRedis({ acl: ['user known on >right ~* &* +@all', 'user administrator on >other ~* &* +@all'] });
  const administrator = connectRedis({ url: `redis://administrator:other@127.0.0.1:${server.port}`, name: 'test', onError: () => {} });
  await until('the administrator is connected', () => administrator.status === 'ready');
  const sentences: string[] = [];
  const redisUrl = `redis://known:wrong@127.0.0.1:${server.port}`;
  const journals = new JournalRedis({ redisUrl, redisJournals: undefined }, 'test', (sentence) => sentences.push(sentence));
  const redis = journals.of('main');
  try {
    let attempts = 0;
    redis.on('reconnecting', () => {
      attempts += 1;
    });
    await until('a few attempts', () => attempts >= 3);
    const refusals = (): number => sentences.filter((sentence) => sentence.includes('WRONGPASS')).length;
    assert.equal(refusals(), 1, sentences.join('\n'));
    assert.equal(new Set(sentences).size, sentences.length);

    const reached = once(redis, 'ready');
    await administrator.call('acl', 'setuser', 'known', '>wrong');
    await reached;
    await administrator.call('acl', 'setuser', 'known', '<wrong');
    await administrator.call('client', 'kill', 'user', 'known');
    await until('it is reported again', () => refusals() === 2);
    assert.ok(!sentences.some((sentence) => /wrong|right/.test(sentence)), sentences.join('\n'));
  } finally {
    journals.disconnect();
    administrator.disconnect();
  }
});
