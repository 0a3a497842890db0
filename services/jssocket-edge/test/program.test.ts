import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { until } from '@polyedge/testkit/until';
import { Core, Page, SECRET } from './doubles.ts';
import { isHashOf } from './is-hash-of.ts';
import { Socket } from './socket.ts';

const program = join(import.meta.dirname, '../bin/jssocket.js');
const children = new Set<ChildProcess>();
after(() => {
  // Not SIGKILL, which the program could not pass on to its service.
  for (const child of children) child.kill('SIGTERM');
});

interface Started {
  readonly child: ChildProcess;
  readonly output: () => string;
  /** Waits for a text; half a minute is a failure. */
  until(pattern: RegExp): Promise<RegExpExecArray>;
  readonly ended: Promise<number | null>;
}

/** The program with these arguments and nothing of this environment that it would read. */
function start(args: readonly string[], env: Readonly<Record<string, string>> = {}, input?: string): Started {
  const { PATH = '', HOME = '/', NODE_COMPILE_CACHE } = process.env;
  const child = spawn(process.execPath, [program, ...args], { env: { PATH, HOME, NODE_COMPILE_CACHE, ...env }, stdio: 'pipe' });
  children.add(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (data) => {
      output += String(data);
    });
  }
  child.stdin.end(input ?? '');
  const ended = new Promise<number | null>((resolve) => child.once('close', (code) => resolve(code)));
  return {
    child,
    ended,
    output: () => output,
    until: (pattern) => until(`it prints ${pattern}`, () => pattern.exec(output), { seen: () => output }),
  };
}

test('jssocket:1 jssocket:2 jssocket:3 jssocket:39 jssocket:43 the program alone: host and port by flag, the known secret with a warning, TERM ends it with 0', async () => {
  const { child, output, until, ended } = start(['-p', '0', '-h', 'localhost']);
  const [, text = ''] = await until(/server listening on 127\.0\.0\.1:(\d+)/);
  const port = Number(text);
  assert.match(output(), /INSECURE: the secret of cores and publishers is the publicly known default/);
  assert.match(output(), /NATS_URL is not set: running alone/);
  using core = await Core.start(port);
  using page = await Page.login(port);
  using wrong = await new Socket(`ws://127.0.0.1:${port}/ws`, { headers: { auth: '1234678' } }).open();
  wrong.event('server_connect');
  assert.deepEqual(await wrong.next(), { type: 'server_connect', data: false });
  child.kill('SIGTERM');
  assert.equal((await page.end()).code, 1001);
  assert.equal((await core.socket.end()).code, 1006);
  assert.equal(await ended, 0);
});

test("jssocket:1 host and port come from the original's environment, 0.0.0.0 and 80 without, and flags win", async () => {
  const own = start(['--port', '0'], { SOCKET_HOST: '127.0.0.2', SOCKET_PORT: '1', HOST: 'nowhere.invalid', PORT: 'x' });
  await own.until(/server listening on 127\.0\.0\.2:\d+/);
  own.child.kill('SIGINT');
  assert.equal(await own.ended, 0);
  // Port 80 may be taken or forbidden here; what it tries to open is what counts.
  const plain = start([]);
  await plain.until(/server listening on 0\.0\.0\.0:80\b|port 80 cannot be opened/);
  plain.child.kill('SIGTERM');
  await plain.ended;
});

test('jssocket:1 bad arguments and secrets end it with 1 and a sentence', async () => {
  const cases: readonly (readonly [readonly string[], Readonly<Record<string, string>>, RegExp])[] = [
    [['-p'], {}, /-p needs a value/],
    [['-p', 'abc'], {}, /takes a port/],
    [['-p=81000'], {}, /there is no option "-p=81000"/],
    [['--port=81000'], {}, /takes a port/],
    [['8115'], {}, /there is no option "8115"/],
    [['-p', '0'], { SOCKET_AUTH: 'xyz' }, /jssocket-edge: SOCKET_AUTH is not usable; expected the hex of a bcrypt hash/],
    [['-p', '0'], { SOCKET_AUTH: '' }, /jssocket-edge: SOCKET_AUTH is empty/],
    [
      ['-p', '0'],
      { SOCKET_AUTH: Buffer.from('no hash').toString('hex') },
      /jssocket-edge: SOCKET_AUTH is not usable; expected the hex of a bcrypt hash/,
    ],
  ];
  await Promise.all(
    cases.map(async ([args, env, sentence]) => {
      const { ended, output } = start(args, env);
      assert.equal(await ended, 1, args.join(' '));
      assert.match(output(), sentence);
    }),
  );
  const help = start(['--help']);
  assert.equal(await help.ended, 0);
  assert.match(help.output(), /-h, --host HOST/);
});

test("jssocket:2 jssocket:41 jssocket hash prints what SOCKET_AUTH takes, in any of bcrypt's forms", async () => {
  const made = start(['hash'], {}, 'my secret ü\n');
  assert.equal(await made.ended, 0);
  const hex = made.output().trim();
  assert.ok(await isHashOf('my secret ü', hex));
  const forms = ['$2a$', '$2y$'].map((form) => Buffer.from(Buffer.from(hex, 'hex').toString().replace('$2b$', form)).toString('hex'));
  for (const auth of [hex, ...forms]) {
    const { child, output, until, ended } = start(['--port=0', '--host=127.0.0.1'], { SOCKET_AUTH: auth });
    const [, port = ''] = await until(/server listening on 127\.0\.0\.1:(\d+)/);
    assert.doesNotMatch(output(), /INSECURE/);
    // Python writes the header as UTF-8; Node's clients take Latin-1, so the bytes are given as such.
    using right = await new Socket(`ws://127.0.0.1:${port}/`, { headers: { auth: Buffer.from('my secret ü').toString('latin1') } }).open();
    right.event('server_connect');
    assert.deepEqual(await right.next(), { type: 'server_connect', data: true });
    using wrong = await new Socket(`ws://127.0.0.1:${port}/`, { headers: { auth: SECRET } }).open();
    wrong.event('server_connect');
    assert.deepEqual(await wrong.next(), { type: 'server_connect', data: false });
    child.kill('SIGTERM');
    assert.equal(await ended, 0);
  }
});

test('jssocket:43 in production the known secret is refused, however it is set', async () => {
  const missing = start(['-p', '0'], { POLYEDGE_MODE: 'production' });
  assert.notEqual(await missing.ended, 0);
  assert.match(missing.output(), /JSSOCKET_AUTH is required/);
  const { authOf } = await import('../src/server-secret.ts');
  const known = start(['-p', '0'], { POLYEDGE_MODE: 'production', SOCKET_AUTH: await authOf(Buffer.from(SECRET)) });
  assert.equal(await known.ended, 1);
  assert.match(known.output(), /publicly known/);
});

test('jssocket:41 terminate, if enabled, ends the process with 69', async () => {
  const { until, ended } = start(['-p', '0', '-h', '127.0.0.1', '--legacy-admin']);
  const [, port = ''] = await until(/server listening on 127\.0\.0\.1:(\d+)/);
  using page = await Page.visit(Number(port));
  const answer = await fetch(`http://127.0.0.1:${port}/terminate`, { headers: { auth: SECRET } });
  assert.deepEqual([answer.status, await answer.text()], [200, 'Terminating\n']);
  assert.equal(await ended, 69);
  assert.equal((await page.end()).code, 1006);
});
