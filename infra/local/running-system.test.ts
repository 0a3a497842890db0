import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { fetchFrom } from './running-system.ts';

test('a service that does not answer is named', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  server.close();
  await once(server, 'close');
  await assert.rejects(fetchFrom(new URL(`http://127.0.0.1:${address.port}/api/status`), {}), {
    message: `http://127.0.0.1:${address.port} does not answer (ECONNREFUSED). Does the system still run?`,
  });
});
