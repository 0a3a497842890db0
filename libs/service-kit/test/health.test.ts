import assert from 'node:assert/strict';
import { test } from 'node:test';
import fastify from 'fastify';
import { reserveHealth, startHealthServer } from '../src/health.ts';

test('the two paths are answered before any hook or route of the protocol', async () => {
  const app = fastify();
  app.addHook('onRequest', async (_, reply) => reply.code(401).send('who are you'));
  app.get('/*', async () => 'the protocol');
  let state: true | string = 'starting';
  reserveHealth(app, () => state);
  const base = await app.listen({ port: 0, host: '127.0.0.1' });
  assert.equal((await fetch(`${base}/healthz`)).status, 200);
  assert.equal((await fetch(`${base}/readyz?verbose`)).status, 503);
  state = true;
  assert.deepEqual(await (await fetch(`${base}/readyz`)).json(), { status: 'ready' });
  assert.equal((await fetch(`${base}/readyz`, { method: 'HEAD' })).status, 200);
  assert.equal((await fetch(`${base}/readyz`, { method: 'POST' })).status, 401);
  assert.equal((await fetch(`${base}/else`)).status, 401);
  await app.close();
});

test('the server for services without HTTP serves nothing else, and a taken port is reported', async () => {
  const health = await startHealthServer({ host: '127.0.0.1', port: 0, ready: () => true });
  assert.equal((await fetch(`http://127.0.0.1:${health.port}/readyz`)).status, 200);
  assert.equal((await fetch(`http://127.0.0.1:${health.port}/metrics`)).status, 404);
  await assert.rejects(startHealthServer({ host: '127.0.0.1', port: health.port, ready: () => true }), /EADDRINUSE/);
  await health.stop();
});
