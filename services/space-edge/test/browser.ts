/** A headless Chromium with one page, driven over its own debugging protocol. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromiumProgram, findProgram } from '@polyedge/testkit/servers/find-program';
import { PATIENCE_MS, until } from '@polyedge/testkit/until';
import WebSocket from 'ws';

const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-dev-shm-usage',
  '--remote-debugging-port=0',
];

export interface Page extends AsyncDisposable {
  /** The value of an expression in the page, as JSON. */
  evaluate(expression: string): Promise<unknown>;
}

/** Opens a page; the browser ends with it. */
export async function openPage(url: string): Promise<Page> {
  const program = findProgram(chromiumProgram);
  if (program.kind !== 'file') throw new Error('Chromium is needed as a program');
  await using parts = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), 'polyedge-chromium-'));
  parts.defer(() => rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 }));
  const browser = spawn(program.path, [...FLAGS, `--user-data-dir=${folder}`, url], { stdio: 'ignore' });
  parts.defer(async () => {
    const ended = once(browser, 'exit');
    if (browser.kill('SIGKILL')) await ended;
  });
  const portFile = join(folder, 'DevToolsActivePort');
  await until('Chromium answers', () => existsSync(portFile) && readFileSync(portFile, 'utf8').includes('\n'));
  const port = readFileSync(portFile, 'utf8').split('\n')[0];
  let address = '';
  await until('the page is there', async () => {
    const response = await fetch(`http://127.0.0.1:${port}/json/list`, { signal: AbortSignal.timeout(PATIENCE_MS) });
    const targets = (await response.json()) as { readonly type: string; readonly url: string; readonly webSocketDebuggerUrl: string }[];
    address = targets.find((target) => target.type === 'page' && target.url === url)?.webSocketDebuggerUrl ?? '';
    return address !== '';
  });
  const socket = new WebSocket(address);
  parts.defer(() => socket.terminate());
  await once(socket, 'open');
  let asked = 0;
  const waiting = new Map<number, (result: { readonly result?: { readonly value?: unknown } }) => void>();
  socket.on('message', (data) => {
    const { id, result } = JSON.parse(String(data)) as {
      readonly id?: number;
      readonly result?: { readonly result?: { readonly value?: unknown } };
    };
    if (id !== undefined) waiting.get(id)?.(result ?? {});
  });
  const kept = parts.move();
  return {
    evaluate: async (expression) => {
      asked += 1;
      const id = asked;
      const answered = new Promise<{ readonly result?: { readonly value?: unknown } }>((resolve) => waiting.set(id, resolve));
      socket.send(JSON.stringify({ id, method: 'Runtime.evaluate', params: { expression, returnByValue: true } }));
      return (await answered).result?.value;
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}
