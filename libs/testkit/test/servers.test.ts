import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { suite, test } from 'node:test';
import postgres from 'postgres';
import { freePort, METRICS_ABOVE, portIsFree } from '../src/servers/free-port.ts';
import { startNats } from '../src/servers/nats.ts';
import { startPostgres } from '../src/servers/postgres.ts';
import { allEnded, isAlive } from '../src/servers/processes.ts';
import { startRedis } from '../src/servers/redis.ts';
import { startServer } from '../src/servers/server-process.ts';
import { sharedPostgres } from '../src/servers/shared.ts';
import { PATIENCE_MS, until } from '../src/until.ts';

/** Sends a line and returns everything received until `enough` matches; fails after five seconds. */
async function talk(port: number, line: string, enough: RegExp): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1' });
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(PATIENCE_MS) });
    socket.write(line);
    let received = '';
    while (!enough.test(received)) {
      const [chunk]: Buffer[] = await once(socket, 'data', { signal: AbortSignal.timeout(PATIENCE_MS) });
      received += chunk?.toString('utf8') ?? '';
    }
    return received;
  } finally {
    socket.destroy();
  }
}

async function query(url: string, text: string): Promise<unknown> {
  const sql = postgres(url, { max: 1, connect_timeout: 5, onnotice: () => {} });
  try {
    return [...(await sql.unsafe(text))];
  } finally {
    await sql.end({ timeout: 1 });
  }
}

suite('the servers that tests and npm start run', { concurrency: true }, () => {
  test('nats accepts messages of 8 MiB, restarts on its port after SIGKILL, and is gone with its folder at the end', async () => {
    const nats = await startNats();
    const { port, pid, dir } = nats;
    assert.match(await talk(port, '', /\n/), /"max_payload":8388608/);
    await nats.kill();
    assert.equal(isAlive(pid), false);
    await nats.restart();
    assert.equal(nats.port, port);
    assert.notEqual(nats.pid, pid);
    assert.match(await talk(port, 'PING\r\n', /PONG/), /PONG/);
    await nats[Symbol.asyncDispose]();
    assert.equal(await portIsFree(port), true);
    assert.equal(existsSync(dir), false);
  });

  test('redis never evicts and keeps its data across an orderly restart', async () => {
    await using redis = await startRedis();
    assert.match(await talk(redis.port, 'CONFIG GET maxmemory-policy\r\n', /policy\r\n\$\d+\r\n\w+/), /noeviction/);
    await talk(redis.port, 'SET vertex 1\r\n', /OK/);
    await redis.restart();
    assert.match(await talk(redis.port, 'GET vertex\r\n', /\$.*\r\n.*\r\n/), /\$1\r\n1/);
  });

  test('a paused redis does not answer until it is resumed', async () => {
    await using redis = await startRedis();
    redis.pause();
    const answer = talk(redis.port, 'PING\r\n', /PONG/);
    const first = await Promise.race([answer, new Promise((resolve) => setTimeout(resolve, 300, 'silence'))]);
    assert.equal(first, 'silence');
    redis.resume();
    assert.match(await answer, /PONG/);
  });

  test('postgres keeps a committed row across SIGKILL, with fsync on and a password required', async () => {
    await using database = await startPostgres();
    assert.deepEqual(await query(database.url, 'show fsync'), [{ fsync: 'on' }]);
    await query(database.url, 'create table kept (id int); insert into kept values (7)');
    await database.kill();
    await database.restart();
    assert.deepEqual(await query(database.url, 'select id from kept'), [{ id: 7 }]);
    const stranger = new URL(database.url);
    stranger.password = 'guess';
    await assert.rejects(query(stranger.href, 'select 1'), /password authentication failed/);
  });

  test('a paused postgres answers a statement in flight after it is resumed', async () => {
    await using database = await startPostgres();
    const sql = postgres(database.url, { max: 1 });
    await sql`select 1`;
    database.pause();
    const answer = sql`select 2 as two`.then((rows) => [...rows]);
    const first = await Promise.race([answer, new Promise((resolve) => setTimeout(resolve, 300, 'silence'))]);
    assert.equal(first, 'silence');
    database.resume();
    assert.deepEqual(await answer, [{ two: 2 }]);
    await sql.end();
  });

  test('a shared postgres gives every test a database of its own', async () => {
    await using one = await sharedPostgres();
    await using other = await sharedPostgres();
    await query(one.url, 'create table mine (id int)');
    assert.deepEqual(await query(other.url, "select to_regclass('mine') as mine"), [{ mine: null }]);
  });

  test('servers end and their folders are removed when the process that started them is killed', async () => {
    const owner = spawn(process.execPath, [join(import.meta.dirname, 'fixture/start-and-wait.ts')], { stdio: ['pipe', 'pipe', 'inherit'] });
    const [line]: string[] = await once(createInterface(owner.stdout), 'line', { signal: AbortSignal.timeout(PATIENCE_MS) });
    const servers: { pid: number; dir: string }[] = JSON.parse(line ?? '[]');
    assert.equal(servers.length, 3);
    owner.kill('SIGKILL');
    assert.equal(
      await allEnded(
        servers.map(({ pid }) => pid),
        10_000,
      ),
      true,
    );
    await until('their folders are removed', () => servers.every(({ dir }) => !existsSync(dir)));
  });

  test('servers that start at the same time are given different ports, for their metrics as well', async () => {
    const count = 300;
    const ports = await Promise.all(Array.from({ length: count }, () => freePort()));
    assert.equal(new Set(ports.flatMap((port) => [port, port + METRICS_ABOVE])).size, 2 * count);
  });

  test('a server takes another port when its usual one is taken', async () => {
    const usual = await freePort();
    await using first = await startNats({ port: usual });
    await using second = await startNats({ port: usual });
    assert.equal(first.port, usual);
    assert.notEqual(second.port, usual);
  });

  test('data in a given folder is kept, and a server that was left running on it is replaced', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'polyedge-kept-'));
    try {
      await using left = await startRedis({ dir });
      await talk(left.port, 'SET vertex 1\r\n', /OK/);
      await using next = await startRedis({ dir });
      assert.match(await talk(next.port, 'GET vertex\r\n', /\$.*\r\n.*\r\n/), /\$1\r\n1/);
      await assert.rejects(talk(left.port, 'PING\r\n', /PONG/), /ECONNREFUSED/);
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });

  test('a server that does not start is reported with what it wrote this time', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'polyedge-failing-'));
    try {
      const start = (message: string) =>
        startServer(undefined, (port) => ({
          ...{ name: 'failing', url: '', port, dir, command: process.execPath, mark: dir, temporary: false, answers: async () => false },
          args: ['-e', `console.error(${JSON.stringify(message)}); process.exit(2)`],
        }));
      await assert.rejects(start('the first mistake'), /the first mistake/);
      await assert.rejects(start('the second mistake'), (error: Error) => {
        assert.match(error.message, /exit code 2.*as it started:\nthe second mistake/);
        assert.doesNotMatch(error.message, /first/);
        return true;
      });
    } finally {
      rmSync(dir, { recursive: true });
    }
  });

  test('a server that ends by itself is reported with the reason', async () => {
    const reported = Promise.withResolvers<string>();
    await using redis = await startRedis({ onUnexpectedExit: reported.resolve });
    process.kill(redis.pid, 'SIGKILL');
    assert.match(await reported.promise, /redis ended \(SIGKILL\)/);
  });
});
