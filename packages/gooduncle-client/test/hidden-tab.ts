/** The example page in a tab of Chromium that is hidden behind another one, where timers fire once a minute. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromiumProgram, findProgram } from '@polyedge/testkit/servers/find-program';
import { PATIENCE_MS, until } from '@polyedge/testkit/until';
import { build } from 'esbuild';

const FLAGS = [
  ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run', '--disable-background-networking'],
  // Browsers begin with this after five minutes.
  ...['--enable-features=IntensiveWakeUpThrottling:grace_period_seconds/1', '--remote-debugging-port=0'],
];
const EXAMPLE = new URL('../../../services/gooduncle-edge/examples/page.html', import.meta.url);

/** Reports what the page shows whenever it changes, and how often a timer of its own has fired. */
const REPORTER = `<script>
  let ticks = 0;
  const tick = () => { ticks += 1; setTimeout(tick, 100); };
  tick();
  const report = () => fetch('/report', { method: 'POST', body: JSON.stringify({
    ticks, visibility: document.visibilityState, state: document.querySelector('#state').textContent,
    products: Array.from(document.querySelectorAll('#products li'), ({ textContent }) => textContent),
  }) });
  new MutationObserver(report).observe(document.body, { childList: true, subtree: true, characterData: true });
  document.addEventListener('visibilitychange', report);
</script>`;

interface Report {
  readonly ticks: number;
  readonly visibility: string;
  readonly state: string;
  readonly products: readonly string[];
}

interface Tab extends AsyncDisposable {
  readonly reports: readonly Report[];
  /** Opens another tab in front of it. */
  hide(): Promise<void>;
}

/** @param socket address of the edge */
export async function openTab(socket: string): Promise<Tab> {
  const program = findProgram(chromiumProgram);
  if (program.kind !== 'file') throw new Error('Chromium is needed as a program');
  await using parts = new AsyncDisposableStack();
  const { outputFiles } = await build({
    entryPoints: [join(import.meta.dirname, '../src/index.ts')],
    ...{ bundle: true, minify: true, format: 'esm', platform: 'neutral', target: 'es2022', write: false },
  });
  const reports: Report[] = [];
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    if (request.method === 'POST') reports.push(JSON.parse(body));
    const isClient = request.url === '/gooduncle-client.js';
    response.setHeader('Content-Type', isClient ? 'text/javascript' : 'text/html; charset=utf-8');
    response.end(isClient ? outputFiles[0]?.text : readFileSync(EXAMPLE, 'utf8').replace('</html>', `${REPORTER}</html>`));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  parts.defer(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo; // listening on TCP
  const folder = mkdtempSync(join(tmpdir(), 'polyedge-chromium-'));
  parts.defer(() => rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 }));
  const page = `http://127.0.0.1:${port}/?url=${socket}`;
  const browser = spawn(program.path, [...FLAGS, `--user-data-dir=${folder}`, page], { stdio: 'ignore' });
  parts.defer(async () => {
    const ended = once(browser, 'exit');
    if (browser.kill('SIGKILL')) await ended;
  });
  const kept = parts.move();
  return {
    reports,
    hide: async () => {
      const file = join(folder, 'DevToolsActivePort');
      await until('Chromium says its port', () => existsSync(file));
      const debugging = `http://127.0.0.1:${readFileSync(file, 'utf8').split('\n')[0]}/json`;
      const made = await fetch(`${debugging}/new?about:blank`, { method: 'PUT', signal: AbortSignal.timeout(PATIENCE_MS) });
      const { id } = (await made.json()) as { readonly id: string };
      await fetch(`${debugging}/activate/${id}`, { signal: AbortSignal.timeout(PATIENCE_MS) });
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}
