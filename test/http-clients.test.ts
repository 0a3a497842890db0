/** Behaviour of ordinary HTTP clients on each of the five edges: HTTP/2 upgrades, absolute request targets, and invalid handshakes. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { readConfig } from '@polyedge/service-kit/config';
import type { Running } from '@polyedge/service-kit/lifecycle';
import { localBus } from '@polyedge/service-kit/local-bus';
import { silentLog } from '@polyedge/service-kit/log';
import { noMetrics } from '@polyedge/service-kit/metrics';
import type { Config, Settings } from '@polyedge/service-kit/settings';
import { startGoodUncleEdge } from '../services/gooduncle-edge/src/app.ts';
import { settings as goodUncle } from '../services/gooduncle-edge/src/config.ts';
import { startHiroEdge } from '../services/hiro-edge/src/app.ts';
import { settings as hiro } from '../services/hiro-edge/src/config.ts';
import { startJssocketEdge } from '../services/jssocket-edge/src/app.ts';
import { settings as jssocket } from '../services/jssocket-edge/src/config.ts';
import { startSagaEdge } from '../services/saga-edge/src/app.ts';
import { settings as saga } from '../services/saga-edge/src/config.ts';
import { startSpaceEdge } from '../services/space-edge/src/app.ts';
import { settings as space } from '../services/space-edge/src/config.ts';

const bus = localBus();
const context = { log: silentLog, metrics: noMetrics(), ready: (): true => true, instance: 'here', terminate: () => {} };

function configOf<S extends Settings>(name: string, settings: S): Config<S> {
  const read = readConfig(name, settings, { POLYEDGE_MODE: 'local', PORT: '0' });
  if (!read.ok) throw new Error(read.problems.join('\n'));
  return read.config;
}

interface Edge {
  readonly running: Running & { readonly port: number };
  /** Routes of the protocol that are answered without graph-store. */
  readonly paths: readonly string[];
  /** The path of its WebSockets. */
  readonly socket: string;
}

const edges = new Map<string, Edge>();
before(async () => {
  edges.set('hiro', {
    running: await startHiroEdge(configOf('hiro-edge', hiro), context, bus),
    paths: ['/api/version', '/api/graph/7.4/query/vertices'],
    socket: '/api/graph-ws/6.1/',
  });
  edges.set('saga', {
    running: await startSagaEdge(configOf('saga-edge', saga), context, bus),
    paths: ['/nothing', '/socket.io/?EIO=4&transport=nothing'],
    socket: '/socket.io/?EIO=4&transport=websocket',
  });
  edges.set('space', {
    running: await startSpaceEdge(configOf('space-edge', space), context, bus),
    paths: ['/nothing', '/events/status'],
    socket: '/events/?EIO=4&transport=websocket',
  });
  edges.set('gooduncle', {
    running: await startGoodUncleEdge(configOf('gooduncle-edge', goodUncle), context, bus),
    paths: ['/nothing', '/'],
    socket: '/',
  });
  edges.set('jssocket', {
    running: await startJssocketEdge(configOf('jssocket-edge', jssocket), context, bus),
    paths: ['/', '/ws'],
    socket: '/ws',
  });
});
after(async () => {
  for (const { running } of edges.values()) await running.stop();
  await bus.close();
});

/** Sends bytes; returns the output until the server closes, or enough has arrived. */
async function say(port: number, bytes: string, enough: RegExp = /$^/): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  socket.write(bytes);
  let answer = '';
  for await (const chunk of socket.setEncoding('latin1')) {
    answer += chunk;
    if (enough.test(answer)) break;
  }
  socket.destroy();
  return answer;
}

const statusOf = (answer: string): string => /^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1] ?? `no answer: ${answer.slice(0, 100)}`;
const all = (paths: readonly string[]): readonly string[] => ['/healthz', '/readyz', ...paths];
const ended = 'Host: localhost\r\nConnection: close\r\n\r\n';

test('an offer of HTTP/2 and an absolute target change nothing, on every edge and route', async () => {
  for (const [name, { running, paths }] of edges) {
    const { port } = running;
    for (const path of all(paths)) {
      const plain = statusOf(await say(port, `GET ${path} HTTP/1.1\r\n${ended}`));
      assert.match(plain, /^\d{3}$/, `${name} ${path}`);
      const offer =
        'Host: localhost\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAB\r\n\r\n';
      assert.equal(statusOf(await say(port, `GET ${path} HTTP/1.1\r\n${offer}`)), plain, `${name} ${path} with h2c`);
      assert.equal(statusOf(await say(port, `GET http://name:1${path} HTTP/1.1\r\n${ended}`)), plain, `${name} ${path} absolute`);
      assert.equal(statusOf(await say(port, `GET ${path} HTTP/1.1\r\nHost: other\r\n${ended}`)), '400', `${name} ${path} with two hosts`);
    }
  }
});

test('an upgrade succeeds under an absolute target, and invalid handshakes are rejected, on every edge', async () => {
  const lines = ['Host: localhost', 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='];
  const good = [...lines, 'Sec-WebSocket-Version: 13'];
  const handshake = (path: string, headers: readonly string[], version = 'HTTP/1.1') =>
    `GET ${path} ${version}\r\n${headers.join('\r\n')}\r\n\r\n`;
  const head = /\r\n\r\n/;
  for (const [name, { running, socket }] of edges) {
    const { port } = running;
    const status = async (bytes: string) => statusOf(await say(port, bytes, head));
    assert.equal(await status(handshake(socket, good)), '101', name);
    assert.equal(await status(handshake(`http://localhost${socket}`, good)), '101', `${name} absolute`);
    assert.equal(await status(handshake(socket, good, 'HTTP/1.0')), '400', `${name} HTTP/1.0`);
    assert.equal(await status(handshake(socket, [...good, 'Host: other'])), '400', `${name} two hosts`);
    assert.equal(await status(handshake(socket, [...good, 'Content-Length: 3'])), '400', `${name} a body`);
    assert.equal(await status(handshake(socket, [...good, 'Transfer-Encoding: chunked'])), '400', `${name} a chunked body`);
    for (const version of ['8', '7', '14', 'x']) {
      const answer = await say(port, handshake(socket, [...lines, `Sec-WebSocket-Version: ${version}`]), head);
      assert.equal(statusOf(answer), '426', `${name} version ${version}`);
      assert.match(answer, /^sec-websocket-version: 13\r$/im);
    }
  }
});

/** Runs a program; returns its output, or undefined if it is not installed. */
async function run(program: string, args: readonly string[]): Promise<string | undefined> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'], timeout: 240_000 });
  const missing = once(child, 'error').then(() => undefined);
  return Promise.race([missing, text(child.stdout)]);
}

const JAVA = `
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
public class Calls {
  public static void main(String[] urls) throws Exception {
    // With its defaults: it prefers HTTP/2, and offers it with the first request to a server.
    HttpClient client = HttpClient.newHttpClient();
    for (String url : urls) {
      HttpRequest get = HttpRequest.newBuilder(URI.create(url)).build();
      HttpRequest post = HttpRequest.newBuilder(URI.create(url)).POST(HttpRequest.BodyPublishers.ofString("{}")).build();
      for (HttpRequest request : new HttpRequest[] { get, get, post })
        System.out.println(request.method() + " " + url + " " + client.send(request, HttpResponse.BodyHandlers.ofString()).statusCode());
    }
  }
}
`;

test("Java's HttpClient and curl --http2, where this machine has them, get the same answers as fetch", async () => {
  const urls = [...edges.values()].flatMap(({ running, paths }) => all(paths).map((path) => `http://127.0.0.1:${running.port}${path}`));
  const expected: string[] = [];
  for (const url of urls) {
    for (const method of ['GET', 'GET', 'POST']) {
      const { status, body } = await fetch(url, { method, ...(method === 'POST' ? { body: '{}' } : {}) });
      await body?.cancel();
      expected.push(`${method} ${url} ${status}`);
    }
  }
  const folder = mkdtempSync(join(tmpdir(), 'polyedge-java-'));
  try {
    const file = join(folder, 'Calls.java');
    writeFileSync(file, JAVA);
    const java = await run('java', [file, ...urls]);
    if (java !== undefined) assert.deepEqual(java.trim().split('\n'), expected);
  } finally {
    rmSync(folder, { recursive: true });
  }
  const gets = urls.flatMap((url) => [url, url]);
  const curl = await run('curl', [
    '--silent',
    '--http2',
    '--max-time',
    '10',
    ...gets.flatMap((url) => ['-o', '/dev/null', url]),
    '-w',
    'GET %{url} %{http_code}\n',
  ]);
  if (curl !== undefined)
    assert.deepEqual(
      curl.trim().split('\n'),
      expected.filter((line) => line.startsWith('GET')),
    );
});
