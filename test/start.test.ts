import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { suite, test } from 'node:test';
import { allEnded } from '@polyedge/testkit/servers/processes';

const program = resolve(import.meta.dirname, '../infra/local/start.ts');
const readyMs = 120_000;

type Started = { readonly process: ChildProcess; readonly output: () => string; readonly saw: (pattern: RegExp) => Promise<void> };

/** `npm start` with its own data folder, without the part that installs; only the servers, since what is tried here does not depend on more. */
function start(data: string): Started {
  const child = spawn(process.execPath, [program, '--only', ''], {
    env: { ...process.env, POLYEDGE_DATA: data },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString('utf8')));
  const saw = async (pattern: RegExp) => {
    const until = performance.now() + readyMs;
    while (!pattern.test(output)) {
      if (child.exitCode !== null || performance.now() > until) throw new Error(`${pattern} did not come:\n${output}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  return { process: child, output: () => output, saw };
}

async function exitCode(child: ChildProcess): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit', { signal: AbortSignal.timeout(60_000) });
  return child.exitCode;
}

function serverPids(data: string): number[] {
  return ['nats', 'redis', 'postgres'].map((name) => Number(readFileSync(join(data, name, `${name}.pid`), 'utf8')));
}

suite('npm start', { concurrency: true }, () => {
  test('brings the servers up, keeps a second start out of its data, and ends everything with code 0 on SIGINT', async () => {
    const data = mkdtempSync(join(tmpdir(), 'polyedge-start-'));
    try {
      const first = start(data);
      await first.saw(/ready after/);
      const pids = serverPids(data);
      assert.equal(statSync(join(data, 'secrets.json')).mode & 0o777, 0o600);
      const second = start(data);
      assert.equal(await exitCode(second.process), 1);
      assert.match(second.output(), /is in use by process \d+/);
      first.process.kill('SIGINT');
      assert.equal(await exitCode(first.process), 0);
      assert.equal(await allEnded(pids, 1_000), true);
    } finally {
      rmSync(data, { recursive: true, force: true });
    }
  });

  test('leaves no server behind when it is killed, and starts again on the same data with the same password', async () => {
    const data = mkdtempSync(join(tmpdir(), 'polyedge-start-'));
    try {
      const first = start(data);
      await first.saw(/ready after/);
      const pids = serverPids(data);
      first.process.kill('SIGKILL');
      const second = start(data);
      await second.saw(/ready after/);
      assert.equal(await allEnded(pids, 10_000), true);
      const password = (started: Started) => /password (\S+)/.exec(started.output())?.[1];
      assert.equal(password(second), password(first));
      second.process.kill('SIGTERM');
      assert.equal(await exitCode(second.process), 0);
    } finally {
      rmSync(data, { recursive: true, force: true });
    }
  });

  test('restarts a server that dies, and says so', async () => {
    const data = mkdtempSync(join(tmpdir(), 'polyedge-start-'));
    try {
      const started = start(data);
      await started.saw(/ready after/);
      const [nats = 0] = serverPids(data);
      process.kill(nats, 'SIGKILL');
      await started.saw(/nats ended \(SIGKILL\)/);
      await started.saw(/nats is ready again/);
      started.process.kill('SIGINT');
      assert.equal(await exitCode(started.process), 0);
    } finally {
      rmSync(data, { recursive: true, force: true });
    }
  });

  test('ends in order when the signal comes while it is still starting', async () => {
    const data = mkdtempSync(join(tmpdir(), 'polyedge-start-'));
    try {
      const started = start(data);
      await started.saw(/data is in/);
      started.process.kill('SIGINT');
      assert.equal(await exitCode(started.process), 0);
      assert.match(started.output(), /everything has ended/);
    } finally {
      rmSync(data, { recursive: true, force: true });
    }
  });
});
