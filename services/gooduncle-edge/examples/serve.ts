// `node services/gooduncle-edge/examples/serve.ts [port]`: page.html and the client that it uses, on the loopback address.
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const files: Readonly<Record<string, { readonly url: URL; readonly type: string }>> = {
  '/': { url: new URL('page.html', import.meta.url), type: 'text/html' },
  '/gooduncle-client.js': { url: new URL('../../../packages/gooduncle-client/dist/index.js', import.meta.url), type: 'text/javascript' },
};

const server = createServer(async (request, response) => {
  const file = files[new URL(request.url ?? '/', 'http://localhost').pathname];
  const text = file === undefined ? undefined : await readFile(file.url, 'utf8').catch(() => undefined);
  if (file === undefined || text === undefined) {
    response.writeHead(404).end('not there: was the client built (node packages/gooduncle-client/build.ts)?');
    return;
  }
  response.writeHead(200, { 'Content-Type': `${file.type}; charset=utf-8` }).end(text);
});
server.listen(Number(process.argv[2] ?? 8080), '127.0.0.1');
await once(server, 'listening');
// Listening on TCP.
const { port } = server.address() as AddressInfo;
console.log(`http://127.0.0.1:${port}/?url=ws://127.0.0.1:5404`);
