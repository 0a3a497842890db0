import assert from 'node:assert/strict';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { isPublicAddress } from '@polyedge/remote/addresses';
import { fetchYaml } from './remote.ts';

test('space:26 only addresses of the public Internet are public', () => {
  for (const address of ['93.184.216.34', '1.1.1.1', '2606:4700:4700::1111']) assert.equal(isPublicAddress(address), true, address);
  for (const address of [
    ...[
      '0.0.0.0',
      '10.1.2.3',
      '100.64.0.1',
      '127.0.0.1',
      '169.254.169.254',
      '172.16.0.1',
      '172.31.255.255',
      '192.168.1.1',
      '198.18.0.1',
      '224.0.0.1',
      '255.255.255.255',
    ],
    ...[
      '::',
      '::1',
      '::ffff:127.0.0.1',
      '::ffff:1.1.1.1',
      '64:ff9b::7f00:1',
      'fe80::1',
      'fc00::1',
      'fd12::1',
      'ff02::1',
      '2001:db8::1',
      '2002:7f00:1::',
    ],
    ...['localhost', '', '1.1.1', '::1%lo'],
  ]) {
    assert.equal(isPublicAddress(address), false, address);
  }
});

async function withServer(listener: RequestListener, work: (url: string) => Promise<void>): Promise<void> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    await work(`http://127.0.0.1:${(server.address() as AddressInfo).port}`); // listening on TCP, so never a pipe's name
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

const limits = { timeoutMs: 2000, maxBytes: 1000, allowPrivate: true };
async function problem(url: string, over: Partial<typeof limits> = {}): Promise<string> {
  const text = await fetchYaml(url, { ...limits, ...over });
  assert.ok(!text.ok, 'it was fetched');
  assert.equal(text.answer.status, 400);
  return JSON.stringify(text.answer.body);
}

test('space:26 a URL is fetched over a redirection, up to a size, within a time, and only when it is answered with success', async () => {
  await withServer(
    (request, response) => {
      switch (request.url) {
        case '/ok':
          return response.end('a: 1');
        case '/moved':
          return response.writeHead(302, { location: '/ok' }).end();
        case '/round':
          return response.writeHead(302, { location: '/round' }).end();
        case '/inside':
          return response.writeHead(302, { location: 'http://169.254.169.254/' }).end();
        case '/large':
          return response.end('x'.repeat(1001));
        case '/broken':
          return response.writeHead(200, { 'content-length': '100' }).write('a', () => response.destroy());
        case '/slow':
          return response.writeHead(200).write('a');
        default:
          return response.writeHead(404).end();
      }
    },
    async (url) => {
      assert.deepEqual(await fetchYaml(`${url}/ok`, limits), { ok: true, value: 'a: 1' });
      assert.deepEqual(await fetchYaml(`${url}/moved`, limits), { ok: true, value: 'a: 1' });
      assert.match(await problem(`${url}/round`), /redirects too often/);
      assert.match(await problem(`${url}/large`), /longer than 1000 bytes/);
      assert.match(await problem(`${url}/broken`), /cut off/);
      assert.match(await problem(`${url}/slow`, { timeoutMs: 200 }), /took too long/);
      assert.match(await problem(`${url}/none`), /status 404/);
      assert.match(await problem(`${url}/ok`, { allowPrivate: false }), /not public/);
      assert.match(await problem(`${url.replace('127.0.0.1', 'localhost')}/ok`, { allowPrivate: false }), /not public/);
      assert.match(await problem('http://127.0.0.1:1/'), /does not answer/);
    },
  );
});
