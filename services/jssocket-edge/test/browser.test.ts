import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { chromiumProgram, findProgram } from '@polyedge/testkit/servers/find-program';
import { Core } from './doubles.ts';
import { startEdge } from './edge.ts';

const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-dev-shm-usage',
  '--no-first-run',
  '--disable-background-networking',
];

/** Logs in, notifies itself twice, and reports what it heard to where it came from. */
const script = (url: string) => `
const heard = [];
const socket = new WebSocket(${JSON.stringify(url)});
const send = (type, data) => socket.send(JSON.stringify({ type, data }));
socket.onopen = () => send('client_connect', { token: 'token-ann' });
socket.onmessage = ({ data }) => {
  heard.push(data);
  const { target } = JSON.parse(heard[0]).data;
  if (heard.length === 1) send('notify_client', { target, data: { test: 'grüße' } });
  if (heard.length === 2) send('notify_group', { target, data: { test: 1.0 } });
  if (heard.length === 3) fetch('/heard', { method: 'POST', body: JSON.stringify({ heard, extensions: socket.extensions, protocol: socket.protocol }) });
};`;

test('jssocket:31 jssocket:32 a page in Chromium, which offers compression and sends its Origin, logs in and receives its notifications', async () => {
  const program = findProgram(chromiumProgram);
  assert.equal(program.kind, 'file');
  await using edge = await startEdge();
  using _core = await Core.start(edge.port);
  const reported = Promise.withResolvers<{ readonly heard: readonly string[]; readonly extensions: string; readonly protocol: string }>();
  const pages = createServer(async (request, response) => {
    if (request.method === 'POST') {
      let body = '';
      for await (const chunk of request) body += String(chunk);
      reported.resolve(JSON.parse(body));
    }
    response.setHeader('Content-Type', 'text/html; charset=utf-8');
    response.end(request.url === '/' ? `<!doctype html><script>${script(`ws://127.0.0.1:${edge.port}/ws`)}</script>` : '');
  });
  pages.listen(0, '127.0.0.1');
  await once(pages, 'listening');
  const { port } = pages.address() as AddressInfo; // listening on TCP
  const folder = mkdtempSync(join(tmpdir(), 'jssocket-chromium-'));
  const command = program.kind === 'file' ? program.path : '';
  const browser = spawn(command, [...FLAGS, `--user-data-dir=${folder}`, '--remote-debugging-port=0', `http://127.0.0.1:${port}/`], {
    stdio: 'ignore',
  });
  const timer = setTimeout(() => reported.reject(new Error('the page did not report within a minute')), 60_000);
  try {
    const { heard, extensions, protocol } = await reported.promise;
    assert.match(heard[0] ?? '', /^\{"type":"client_connected","data":\{"target":"[0-9a-f-]{36}","authenticated":true\}\}$/);
    assert.deepEqual([heard[1], heard[2], extensions, protocol], ['{"test":"grüße"}', '{"test":1}', '', '']);
  } finally {
    clearTimeout(timer);
    const ended = once(browser, 'exit');
    if (browser.kill('SIGKILL')) await ended;
    pages.closeAllConnections();
    pages.close();
    rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }
});
