import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { findPython } from '@polyedge/testkit/servers/find-program';
import { until } from '@polyedge/testkit/until';
import { Page, SECRET, USERS } from './doubles.ts';
import { type Replicas, startReplicas } from './replicas.ts';

let replicas: Replicas;
let python: string;
before(async () => {
  python = findPython();
  replicas = await startReplicas();
});
after(() => replicas[Symbol.asyncDispose]());

/** The core of `core.py`, connected to one replica; its lines say what happens to it. */
function startCore(port: number, ...flags: readonly string[]) {
  const child = spawn(python, [join(import.meta.dirname, 'core.py'), String(port), SECRET, JSON.stringify(USERS), ...flags], {
    detached: true,
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (data) => {
      output += String(data);
    });
  }
  return {
    /** What the parent, which does not read, sends on the same connection. */
    say: (event: object) => child.stdin.write(`${JSON.stringify(event)}\n`),
    said: async (line: string, times = 1) => {
      await until(`it says "${line}"`, () => output.split('\n').filter((one) => one === line).length >= times, { seen: () => output });
    },
    output: () => output,
    // With --fork it is two processes of one group.
    [Symbol.dispose]: () => {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    },
  };
}

test('jssocket:6 jssocket:11 jssocket:28 jssocket:38 a core in Python, reading in one thread and writing in another, serves pages of both replicas', async () => {
  for (const flags of [[], ['--rev-a'], ['--fork']]) {
    using core = startCore(replicas.b.port, ...flags);
    await core.said('registered');
    using page = await Page.login(replicas.a.port, 'token-ann');
    core.say({ type: 'notify_client', data: { target: page.target, data: { via: 'client' } } });
    core.say({ type: 'notify_group', data: { target: USERS['token-ann'], data: { via: 'grüße' } } });
    core.say({ type: 'notify_all', data: { via: 'all' } });
    assert.deepEqual([await page.next(), await page.next(), await page.next()], [{ via: 'client' }, { via: 'grüße' }, { via: 'all' }]);
    assert.deepEqual(page.left, []);
  }
});

test('jssocket:39 jssocket:34 a core whose replica ends reconnects to the next one by itself, because its connection ends without a close frame', async () => {
  const first = await replicas.start();
  using core = startCore(first.port, '--reconnect-ms', '300');
  await core.said('registered');
  await first.stop();
  await core.said('dropped');
  const second = await replicas.start(first.port);
  assert.equal(second.port, first.port);
  await core.said('registered', 2);
  using _page = await Page.login(second.port, 'token-bob');
  assert.doesNotMatch(core.output(), /stopped for good/);
});

test('the double never reconnects after a close frame, like the real one', async () => {
  using core = startCore(replicas.b.port);
  await core.said('registered');
  core.say({ type: 'client_disconnect', data: {} });
  await core.said('stopped for good');
});
