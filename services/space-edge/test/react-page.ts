/** An application's page with SPACE's React client, unmodified, served to a browser. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { build } from 'esbuild';

/** Serves the page on a port of its own, as another origin than SPACE's. */
export async function servePage(configuration: {
  readonly url: string;
  readonly apiKey: string;
}): Promise<{ readonly url: string } & Disposable> {
  const built = await build({
    entryPoints: [join(import.meta.dirname, 'react-app.js')],
    bundle: true,
    write: false,
    format: 'iife',
    define: { 'process.env.NODE_ENV': '"production"' },
    logLevel: 'error',
  });
  const script = `window.configuration = ${JSON.stringify(configuration)};${built.outputFiles[0]?.text ?? ''}`;
  const server = createServer((request, response) => {
    const [type, body] =
      request.url === '/app.js' ? ['text/javascript', script] : ['text/html', '<div id="root"></div><script src="/app.js"></script>'];
    response.writeHead(200, { 'content-type': `${type}; charset=utf-8` }).end(body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  return {
    url: `http://127.0.0.1:${address.port}/`,
    [Symbol.dispose]: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
