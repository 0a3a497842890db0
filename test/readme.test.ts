/** The commands of README.md and docs/operations.md, as they stand there, on one machine. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { test } from 'node:test';

const root = resolve(import.meta.dirname, '..');

/** The shell blocks of a document, a command each; lines that end in a backslash belong together. */
const commandsOf = (document: string): string[] =>
  [...readFileSync(join(root, document), 'utf8').matchAll(/^```sh\n([\s\S]*?)^```/gm)].flatMap(([, block = '']) =>
    block
      .replaceAll(/\\\n\s*/g, '')
      .split('\n')
      .filter((line) => line.trim() !== ''),
  );

const readme = commandsOf('README.md');
const operations = commandsOf('docs/operations.md');
const theOne = (commands: readonly string[], begin: string): string => {
  const found = commands.find((command) => command.startsWith(begin));
  assert.ok(found, `no command begins with ${begin}`);
  return found;
};

test('what README.md and docs/operations.md tell to type works: start, watch, write, back up', async () => {
  await using stack = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), 'polyedge-readme-'));
  stack.defer(() => rmSync(folder, { recursive: true, force: true }));
  const env = { ...process.env, POLYEDGE_DATA: join(folder, 'data'), PATH: `${dirname(process.execPath)}:${process.env.PATH}` };
  const run = (command: string) => {
    // Its own group: a signal in a terminal reaches npm and all that it started.
    const child = spawn('/bin/sh', ['-c', command], { cwd: root, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString('utf8')));
    stack.defer(() => signal(child, 'SIGKILL'));
    const saw = async (pattern: RegExp) => {
      const until = performance.now() + 180_000;
      while (!pattern.test(output)) {
        assert.ok(child.exitCode === null && performance.now() < until, `${command}: ${pattern} did not come:\n${output}`);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    };
    return { child, saw, output: () => output };
  };
  /** A command that ends by itself: its output, and its exit code. */
  const done = (command: string) =>
    new Promise<{ readonly code: number; readonly output: string }>((resolve) => {
      execFile('/bin/sh', ['-c', command], { cwd: root, env, timeout: 120_000 }, (error, out, err) =>
        resolve({ code: error === null ? 0 : Number(error.code ?? 1), output: `${out}${err}` }),
      );
    });

  const start = run(theOne(readme, 'npm start'));
  await start.saw(/ready after/);
  const port = /hiro-edge\s+http:\/\/127\.0\.0\.1:(\d+)/.exec(start.output())?.[1] ?? '';
  const watch = run(theOne(readme, 'npm run watch'));
  await watch.saw(/watching|register|events/i);
  // Something else on this machine may have the usual port.
  const curl = theOne(readme, 'curl').replace('127.0.0.1:5402', `127.0.0.1:${port}`);
  const until = performance.now() + 60_000;
  // The watch begins when the registration has taken effect, which nothing announces.
  while (!watch.output().includes('hello')) {
    assert.ok(performance.now() < until, `the event did not come:\n${watch.output()}`);
    const { code, output } = await done(curl);
    assert.equal(code, 0, output);
    assert.match(output, /"ogit\/name":"hello"/);
  }
  const backup = theOne(operations, 'npm run backup').replace('/var/backups', folder);
  const made = await done(backup);
  assert.equal(made.code, 0, made.output);
  assert.ok(existsSync(join(folder, 'polyedge-monday/manifest.json')));
  const restored = await done(theOne(operations, 'npm run restore').replace('/var/backups', folder));
  assert.equal(restored.code, 1, 'a database with data in it is not written over');
  assert.match(restored.output, /not empty/);
  signal(watch.child, 'SIGINT');
  signal(start.child, 'SIGINT');
  await once(start.child, 'exit', { signal: AbortSignal.timeout(90_000) });
  assert.match(start.output(), /everything has ended/);
});

function signal({ pid, exitCode }: ChildProcess, name: NodeJS.Signals): void {
  if (pid === undefined || exitCode !== null) return;
  try {
    process.kill(-pid, name);
  } catch {
    // It has ended.
  }
}
