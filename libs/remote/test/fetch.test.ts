import assert from 'node:assert/strict';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { fetchRemote } from '../src/fetch.ts';

/** A server that redirects `/to?URL`, and answers everything else. */
async function serve() {
  const seen: IncomingHttpHeaders[] = [];
  const server = createServer((request, response) => {
    seen.push(request.headers);
    const to = /^\/to\?(.*)$/.exec(request.url ?? '')?.[1];
    if (to !== undefined) response.writeHead(302, { location: to }).end();
    else response.end('here');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    seen,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, // listening on TCP
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

test('a redirection to another origin is followed without the credentials of the call, and back with them', async () => {
  await using asked = await serve();
  await using other = await serve();
  const limits = { timeoutMs: 10_000, maxBytes: 1000, allowPrivate: true };
  const headers = { authorization: 'Bearer secret', cookie: 'secret=1', accept: 'text/plain' };
  const fetched = await fetchRemote({ url: `${asked.url}/to?/to?${other.url}/to?${asked.url}/end`, headers }, limits);
  assert.ok(fetched.ok, JSON.stringify(fetched));
  assert.equal(fetched.answer.url, `${asked.url}/end`);
  const has = ({ authorization, cookie, accept }: IncomingHttpHeaders) => [authorization, cookie, accept];
  assert.deepEqual(asked.seen.map(has), Array(3).fill(['Bearer secret', 'secret=1', 'text/plain']));
  assert.deepEqual(other.seen.map(has), [[undefined, undefined, 'text/plain']]);
});
