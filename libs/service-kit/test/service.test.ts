/** How a service's process begins and ends. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { until } from '@polyedge/testkit/until';

const main = join(import.meta.dirname, 'fixture/service.ts');

interface Process {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly ended: Promise<number | null>;
}

function start(environment: Readonly<Record<string, string>>, ...args: string[]): Process {
  const { PATH = '' } = process.env;
  const child = spawn(process.execPath, [main, ...args], {
    env: { PATH, POLYEDGE_MODE: 'local', PORT: '0', METRICS_PORT: 'off', ...environment },
  });
  let output = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  child.stderr?.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  return { child, output: () => output, ended: new Promise((resolve) => child.once('close', resolve)) };
}

/** Waits until the process has printed something; it is a failure if the process ends before. */
async function printed(pattern: RegExp, process: Process): Promise<RegExpExecArray> {
  const found = await until(`it prints ${pattern}`, () => pattern.exec(process.output()) ?? process.child.exitCode ?? false, {
    seen: process.output,
  });
  if (typeof found === 'number') throw new Error(`it ended with ${found}:\n${process.output()}`);
  return found;
}

/** Its port, once it has opened it. */
const portOf = async (process: Process): Promise<string> => (await printed(/"port":(\d+)/, process))[1] ?? '';

test('a service answers healthz and readyz, drains on SIGTERM and ends with 0', async () => {
  const service = start({});
  const base = `http://127.0.0.1:${await portOf(service)}`;
  const ready = await until('it is ready', async () => {
    const answer = await fetch(`${base}/readyz`);
    return answer.status === 200 && answer.json();
  });
  assert.deepEqual(ready, { status: 'ready' });
  assert.equal((await fetch(`${base}/healthz`)).status, 200);
  assert.equal((await fetch(`${base}/metrics`)).status, 404);
  service.child.kill('SIGTERM');
  assert.equal(await service.ended, 0);
});

test('draining ends within its bound', async () => {
  const service = start({ TRIAL_FATE: 'hang', POLYEDGE_DRAIN_MS: '100ms' });
  await portOf(service);
  service.child.kill('SIGINT');
  assert.equal(await service.ended, 0);
  assert.match(service.output(), /draining took too long/);
});

test('a service that drains is not ready, and a second signal ends it at once with 1', async () => {
  const service = start({ TRIAL_FATE: 'hang', POLYEDGE_DRAIN_MS: '10m' });
  const servicePort = await portOf(service);
  service.child.kill('SIGTERM');
  await printed(/draining/, service);
  const answer = await fetch(`http://127.0.0.1:${servicePort}/readyz`);
  assert.equal(answer.status, 503);
  assert.deepEqual(await answer.json(), { status: 'not ready', reason: 'draining' });
  service.child.kill('SIGTERM');
  assert.equal(await service.ended, 1);
});

test('an unhandled rejection is fatal, and an expected refusal is a sentence without a stack', async () => {
  const bug = start({ TRIAL_FATE: 'throw-later' });
  assert.equal(await bug.ended, 1);
  assert.match(bug.output(), /"level":"fatal".*a bug/);
  const refusal = start({ TRIAL_FATE: 'refuse' });
  assert.equal(await refusal.ended, 1);
  assert.match(refusal.output(), /the trial was told to refuse/);
  assert.ok(!refusal.output().includes('stack'));
});

test('wrong settings end it with 2 and are named; the command line answers without starting', async () => {
  const wrong = start({ TRIAL_MAX_IN_FLIGHT: 'many', TRIAL_NONSENSE: '1' });
  assert.equal(await wrong.ended, 2);
  assert.match(wrong.output(), /TRIAL_MAX_IN_FLIGHT is "many"; expected an integer from 1 to 1000/);
  assert.match(wrong.output(), /TRIAL_NONSENSE is not a setting/);
  const check = start({}, 'config', '--check');
  assert.equal(await check.ended, 0);
  assert.match(check.output(), /the settings are valid/);
  for (const command of [['config', '--check'], []]) {
    const contradicting = start({ TRIAL_FATE: 'contradict' }, ...command);
    assert.notEqual(await contradicting.ended, 0);
    assert.match(contradicting.output(), /one setting contradicts another/);
  }
  const table = start({}, 'config');
  assert.equal(await table.ended, 0);
  assert.match(table.output(), /TRIAL_MAX_IN_FLIGHT/);
  const help = start({}, '--help');
  assert.equal(await help.ended, 0);
  assert.match(help.output(), /Usage/);
});

test('metrics are served on their own port, nothing else is', async () => {
  const service = start({ METRICS_PORT: '0' });
  const [, port] = await printed(/metrics on (\d+)/, service);
  const answer = await fetch(`http://127.0.0.1:${port}/metrics`);
  assert.equal(answer.status, 200);
  const text = await answer.text();
  assert.match(text, /trial_started_total\{result="ok"\} 1/);
  assert.match(text, /trial_seconds_bucket\{result="ok",le="0.025"\} 1/);
  assert.equal((await fetch(`http://127.0.0.1:${port}/healthz`)).status, 404);
  service.child.kill('SIGTERM');
  assert.equal(await service.ended, 0);
});

test('traces go to the collector that is named, at the latest when the service ends', async () => {
  const received: Buffer[] = [];
  const collector = createServer((request, response) => {
    if (request.url === '/v1/traces') request.on('data', (chunk: Buffer) => received.push(chunk));
    request.on('end', () => response.end());
    request.resume();
  });
  await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve));
  const address = collector.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const service = start({ OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}` });
  await portOf(service);
  service.child.kill('SIGTERM');
  assert.equal(await service.ended, 0);
  const sent = Buffer.concat(received).toString('latin1');
  for (const expected of ['trial get', 'a-channel request', 'trial-edge']) assert.ok(sent.includes(expected), expected);
  collector.close();
  collector.closeAllConnections();
});
