import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { freePort } from '@polyedge/testkit/servers/free-port';
import { ports } from './ports.ts';

test('a port that is in use, was handed out or is reserved is skipped', async () => {
  const first = await freePort();
  const server = createServer().listen(first, '127.0.0.1');
  await once(server, 'listening');
  try {
    const free = ports([first + 1]);
    const own = await free.take(first);
    assert.ok(own > first + 1);
    assert.notEqual(await free.take(first), own);
  } finally {
    server.close();
  }
});

test('a reserved port is given only if requested exactly', async () => {
  const wanted = await freePort();
  assert.equal(await ports([wanted]).take(wanted), wanted);
});

test('a further replica does not take the usual port of another service', async () => {
  const first = await freePort();
  assert.ok((await ports([first, first + 1, first + 2]).takeAbove(first)) > first + 2);
});
