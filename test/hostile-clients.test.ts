/**
 * Hostile clients against the whole HIRO system, next to a well-behaved one: each attack gets its documented answer, the
 * process survives, its memory stays flat, and the good client is not affected. For frames there is a corpus in libs/edge-kit/test/rfc6455.
 */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { cpuMs } from '@polyedge/testkit/servers/processes';
import { until } from '@polyedge/testkit/until';
import { Client } from '../services/hiro-edge/test/client.ts';
import { type System, startSystem } from '../services/hiro-edge/test/system.ts';

const GRAPH = '/api/graph-ws/6.1/';
const MIB = 1024 * 1024;

let system: System;
let token: string;
let good: Good;

before(async () => {
  system = await startSystem();
  token = await system.token();
  good = await Good.start();
});
after(async () => {
  good.stop();
  await system[Symbol.asyncDispose]();
});

/** A client that requests `me` continuously, and what it experienced. */
class Good {
  readonly client: Client;
  /** For each answer, the CPU time of edge and store together while it waited: what it waited for, whatever else the machine does. */
  readonly behindMs: number[] = [];
  /** The reason why it gave up. */
  failure: unknown;
  #running = true;

  private constructor(client: Client) {
    this.client = client;
  }

  static async start(): Promise<Good> {
    const good = new Good(graphClient());
    await good.client.open();
    void good.#work().catch((error: unknown) => {
      // The answer that was pending when it was stopped never arrives.
      if (good.#running) good.failure = error;
    });
    return good;
  }

  async #work(): Promise<void> {
    for (let id = 1; this.#running; id += 1) {
      const before = usedMs();
      this.client.send({ id: `good-${id}`, type: 'me' });
      const [frame] = await this.client.answer(`good-${id}`);
      if (frame?.error !== undefined) throw new Error(`the good client was refused: ${JSON.stringify(frame)}`);
      this.behindMs.push(usedMs() - before);
      this.client.frames.length = 0;
      this.client.texts.length = 0;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  stop(): void {
    this.#running = false;
    this.client.ws.terminate();
  }
}

function graphClient(protocols: readonly string[] = ['graph-2.0.0', `token-${token}`]): Client {
  return new Client(system.hiro.port, GRAPH, protocols);
}

const usedMs = (): number => cpuMs(system.hiro.pid) + cpuMs(system.store.pid);

const residentBytes = (): number => Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${system.hiro.pid}/status`, 'utf8'))?.[1]) * 1024;

/** Runs an attack and then checks for damage. */
async function withoutHarm(attack: () => Promise<void>, allowedBytes = 60 * MIB): Promise<void> {
  const pid = system.hiro.pid;
  const before = residentBytes();
  const from = good.behindMs.length;
  await attack();
  const seen = good.behindMs.length;
  // The good client gets further answers, and never waited for more work than a turn of the event loop with a garbage collection.
  await until('the good client is served as before', () => good.behindMs.length >= seen + 5 || good.failure !== undefined);
  assert.equal(good.failure, undefined);
  assert.equal(good.client.closed, undefined);
  assert.equal(system.hiro.pid, pid);
  const worst = Math.max(0, ...good.behindMs.slice(from));
  assert.ok(worst < 2000, `the good client waited for ${worst} ms of other work`);
  const grown = residentBytes() - before;
  assert.ok(grown < allowedBytes, `the edge grew by ${(grown / MIB).toFixed(1)} MiB`);
}

/** Sends raw bytes and collects the answer until the server closes, or says enough. */
function raw(bytes: string | Buffer, enough: (text: string) => boolean = () => false): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket: Socket = connect(system.hiro.port, '127.0.0.1', () => socket.write(bytes));
    let text = '';
    const timer = setTimeout(() => socket.destroy(new Error(`no answer; received ${JSON.stringify(text.slice(0, 200))}`)), 15_000);
    socket.setEncoding('latin1');
    socket.on('data', (chunk) => {
      text += chunk;
      if (enough(text)) socket.destroy();
    });
    socket.on('error', (error: NodeJS.ErrnoException) =>
      error.code === 'ECONNRESET' || error.code === 'EPIPE' ? undefined : reject(error),
    );
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(text);
    });
  });
}

const handshake = (lines: readonly string[], version = 'HTTP/1.1', path = GRAPH): string =>
  `GET ${path} ${version}\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n${lines.join('\r\n')}\r\n\r\n`;
const VERSION = 'Sec-WebSocket-Version: 13';
const status = (text: string): number => Number(/^HTTP\/1\.[01] (\d{3})/.exec(text)?.[1]);
const whole = (text: string): boolean => text.includes('\r\n\r\n');

/** The code of an error frame, or undefined. */
const errorCode = (frame: unknown): unknown =>
  typeof frame === 'object' && frame !== null && 'error' in frame ? (frame.error as { code?: unknown }).code : undefined;

test('handshakes that break HTTP or the WebSocket protocol are rejected with a status', async () => {
  await withoutHarm(async () => {
    const cases: readonly (readonly [string, string, readonly number[]])[] = [
      ['another version', handshake(['Sec-WebSocket-Version: 7']), [400, 426]],
      ['no version', handshake([]), [400, 426]],
      ['HTTP/1.0', handshake([VERSION], 'HTTP/1.0'), [400, 426, 505]],
      ['a key that is none', handshake([VERSION]).replace(/Sec-WebSocket-Key: .*\r\n/, 'Sec-WebSocket-Key: short\r\n'), [400]],
      ['64 KiB of headers', handshake([VERSION, `X-Long: ${'x'.repeat(65_536)}`]), [431, 400]],
      ['a thousand headers', handshake([VERSION, ...Array.from({ length: 3000 }, (_, at) => `X-${at}: ${at}`)]), [431, 400]],
      ['no HTTP at all', 'hello\r\n\r\n', [400]],
      ['another method', handshake([VERSION]).replace('GET', 'POST'), [400, 404, 405, 426]],
      ['an unknown path', handshake([VERSION], 'HTTP/1.1', '/api/graph-ws/x/'), [404]],
      ['a path that climbs', handshake([VERSION], 'HTTP/1.1', '/api/graph-ws/../../etc/passwd'), [400, 404]],
      [
        'a body behind the upgrade',
        `${handshake(['Sec-WebSocket-Version: 7', 'Content-Length: 30'])}GET /api/version HTTP/1.1\r\n\r\n`,
        [400, 426],
      ],
    ];
    for (const [name, bytes, expected] of cases) {
      const text = await raw(bytes, whole);
      assert.ok(expected.includes(status(text)), `${name}: ${text.slice(0, 120)}`);
    }
  });
});

test('any origin may connect, because cookies do not authenticate; repeated headers change nothing', async () => {
  for (const origin of ['https://evil.example', 'null', 'http://127.0.0.1.evil.example']) {
    const text = await raw(handshake([VERSION, `Origin: ${origin}`, 'Sec-WebSocket-Protocol: graph-2.0.0']), whole);
    assert.equal(status(text), 101, origin);
  }
});

test('invalid tokens are rejected in band, at the cost of a second of CPU at most', async () => {
  const [header = '', payload = ''] = token.split('.');
  const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString());
  const { kid } = JSON.parse(Buffer.from(header, 'base64url').toString());
  const hs256 = `${encode({ alg: 'HS256', kid, typ: 'at+jwt' })}.${payload}`;
  const forged: Record<string, string> = {
    'no algorithm': `${encode({ alg: 'none', kid, typ: 'at+jwt' })}.${payload}.`,
    'a symmetric algorithm keyed with what is public': `${hs256}.${createHmac('sha256', kid).update(hs256).digest('base64url')}`,
    'another payload under the old signature': `${header}.${encode({ ...claims, roles: { hiro: ['admin', 'root'] } })}.${token.split('.')[2]}`,
    'an unknown key': `${encode({ alg: 'EdDSA', kid: 'nobody', typ: 'at+jwt' })}.${payload}.${token.split('.')[2]}`,
    'a key it brings along': `${encode({ alg: 'EdDSA', kid, typ: 'at+jwt', jku: 'http://127.0.0.1:1/jwks', jwk: { kty: 'OKP' } })}.${payload}.${token.split('.')[2]}`,
    'a kid that is a path': `${encode({ alg: 'EdDSA', kid: '../../etc/passwd', typ: 'at+jwt' })}.${payload}.${token.split('.')[2]}`,
    'twelve thousand characters': `${header}.${'A'.repeat(12_000)}.x`,
    'no dots': 'A'.repeat(64),
  };
  await withoutHarm(async () => {
    for (const [name, credential] of Object.entries(forged)) {
      const before = usedMs();
      using client = graphClient(['graph-2.0.0', `token-${credential}`]);
      const end = await client.end();
      assert.equal(end.code, 1008, name);
      assert.equal(errorCode(client.frames[0]), 401, name);
      assert.ok(!client.texts.join().includes(credential.slice(0, 40)), 'the token came back');
      assert.ok(usedMs() - before < 1000, `${name}: ${usedMs() - before} ms`);
    }
  });
});

test('all kinds of bad JSON get an error and do not affect the connection', async () => {
  const bodies: readonly string[] = [
    '',
    '{',
    'null',
    '[]',
    '[{"id":"1","type":"me"}]',
    '"text"',
    '1e400',
    '\ufeff{"id":"bom","type":"me"}',
    '{"id":{"a":1},"type":"me"}',
    '{"id":["x"],"type":"me"}',
    `{"id":"${'x'.repeat(200_000)}","type":"me"}`,
    '{"id":"t","type":"__proto__"}',
    '{"id":"t","type":"constructor"}',
    '{"id":"t","type":{"toString":"x"}}',
    `${'['.repeat(100_000)}${']'.repeat(100_000)}`,
    `{"id":"deep","type":"create","headers":{"ogit/_type":"ogit/Note"},"body":${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}}`,
    `{"id":"digits","type":"create","headers":{"ogit/_type":"ogit/Note"},"body":{"/n":1${'0'.repeat(500_000)}}}`,
    '{"id":"surrogate","type":"create","headers":{"ogit/_type":"ogit/Note"},"body":{"ogit/name":"\\ud800"}}',
    '{"id":"nul","type":"create","headers":{"ogit/_type":"ogit/Note"},"body":{"ogit/name":"a\\u0000b"}}',
    '{"id":"proto","type":"update","headers":{"ogit/_id":"none"},"body":{"__proto__":{"polluted":true}}}',
  ];
  await withoutHarm(async () => {
    using client = graphClient();
    await client.open();
    for (const [at, body] of bodies.entries()) {
      const frames = client.frames.length;
      client.send(body);
      const frame = await client.until(() => client.frames[frames]);
      const code = errorCode(frame);
      assert.ok(typeof code === 'number' && code >= 400 && code < 500, `body ${at}: ${JSON.stringify(frame).slice(0, 200)}`);
    }
    client.send({ id: 'alive', type: 'me' });
    assert.equal((await client.answer('alive'))[0]?.error, undefined);
  });
  assert.equal((Object.prototype as { polluted?: unknown }).polluted, undefined);
});

test('ids, queries, orders and placeholders cannot be used for injection', async () => {
  await withoutHarm(async () => {
    using client = graphClient();
    await client.open();
    let next = 0;
    const ask = async (
      request: Record<string, unknown>,
    ): Promise<{ readonly code: number | undefined; readonly frames: readonly Record<string, unknown>[] }> => {
      next += 1;
      const id = `x${next}`;
      client.send({ id, ...request });
      const frames = await client.answer(id);
      const error = frames.at(-1)?.error as { code?: number } | undefined;
      return { code: error?.code, frames };
    };
    for (const id of ['*', '>', 'a.b', '..', '../../x', "' or 1=1 --", '$1', 'a\nb', '%00', 'x'.repeat(600), '😀']) {
      assert.ok([400, 404].includes((await ask({ type: 'get', headers: { 'ogit/_id': id } })).code ?? 0), id);
    }
    const query = (text: string, more: Record<string, unknown> = {}) =>
      ask({ type: 'query', headers: { type: 'vertices' }, body: { query: text, limit: 1, ...more } });
    assert.equal((await query('('.repeat(10_000))).code, 400);
    assert.equal((await query(`${'('.repeat(10_000)}a:b${')'.repeat(10_000)}`)).code, 400);
    assert.equal((await query('a:"unclosed')).code, 400);
    for (const harmless of [`ogit\\/name:${'*a'.repeat(200)}`, "ogit\\/name:'; drop table element; --", 'ogit\\/name:"$p"']) {
      const { code } = await query(harmless, { p: '") OR *:* OR ("' });
      assert.ok(code === undefined || code === 400, `${harmless}: ${code}`);
    }
    for (const order of ['ogit/name; drop table element', 'ogit/name asc, (select 1)', 'x'.repeat(10_000)]) {
      const { code } = await query('*:*', { order });
      assert.ok(code === undefined || code === 400, order.slice(0, 40));
    }
    const created = await ask({
      type: 'create',
      headers: { 'ogit/_type': 'ogit/Note' },
      body: { "ogit/x'; drop table element; --": 'v', '/a.b.>': 'w' },
    });
    assert.ok(created.code === undefined || created.code === 400);
    const note = await ask({ type: 'create', headers: { 'ogit/_type': 'ogit/Note' }, body: { 'ogit/name': 'self' } });
    const [made] = note.frames;
    assert.ok(made);
    const { 'ogit/_id': id } = made.body as { readonly 'ogit/_id': string };
    assert.equal((await ask({ type: 'connect', headers: { 'ogit/_type': 'ogit/relates' }, body: { out: id, in: id } })).code, undefined);
    assert.equal((await ask({ type: 'create', headers: { 'ogit/_type': 'ogit/Note' }, body: { 'ogit/_id': id } })).code, 409);
    assert.equal((await ask({ type: 'delete', headers: { 'ogit/_id': id } })).code, undefined);
    assert.equal((await ask({ type: 'delete', headers: { 'ogit/_id': id } })).code, 404);
  });
});

test('a thousand silent connections, and as many that are cut off half-way, leave nothing behind', async () => {
  await withoutHarm(async () => {
    const opened: Socket[] = [];
    let connected = 0;
    let answered = 0;
    for (let at = 0; at < 1000; at += 1) {
      const socket = connect(system.hiro.port, '127.0.0.1', () => (connected += 1));
      socket.on('error', () => {});
      socket.once('data', () => (answered += 1));
      // Half of them stop in the middle of the handshake.
      socket.write(
        at % 2 === 0 ? 'GET /api/graph-ws/6.1/ HT' : handshake([VERSION, `Sec-WebSocket-Protocol: graph-2.0.0, token-${token}`]),
      );
      opened.push(socket);
    }
    await until('all are there', () => connected === 1000 && answered === 500, { seen: () => [connected, answered] });
    for (const socket of opened) socket.destroy();
  }, 120 * MIB);
});

test('a client that requests everything and reads nothing is limited to one page, and others are served', async () => {
  await withoutHarm(async () => {
    using writer = graphClient();
    await writer.open();
    for (let at = 0; at < 300; at += 1)
      writer.send({ id: `w${at}`, type: 'create', headers: { 'ogit/_type': 'ogit/Note' }, body: { 'ogit/name': 'x'.repeat(20_000) } });
    await writer.until(() => writer.frames.length >= 300);
    const readers = Array.from({ length: 5 }, () => graphClient());
    for (const reader of readers) {
      await reader.open();
      reader.ws.pause();
      for (let at = 0; at < 20; at += 1)
        reader.send({ id: `r${at}`, type: 'query', headers: { type: 'vertices' }, body: { query: 'ogit\\/_type:"ogit/Note"', limit: -1 } });
    }
    const seen = good.behindMs.length;
    await until('the good client is served three hundred times', () => good.behindMs.length >= seen + 300 || good.failure !== undefined);
    for (const reader of readers) reader.ws.terminate();
  }, 250 * MIB);
});
