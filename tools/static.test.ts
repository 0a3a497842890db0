import { spawn } from 'node:child_process';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { suite, test } from 'node:test';

const root = resolve(import.meta.dirname, '..');
const checkMs = 180_000;

/** Runs a program with this Node; on failure its output is the message. */
async function passes(script: string, ...args: string[]): Promise<void> {
  const child = spawn(process.execPath, [join(root, script), ...args], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], timeout: checkMs });
  const code = new Promise<number | null>((resolve) => child.once('close', resolve));
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
  if ((await code) === 0) return;
  const failure = new Error(`${out}${err}`.trim());
  // The stack of this file is of no use.
  failure.stack = failure.message;
  throw failure;
}

suite('the sources', { concurrency: true }, () => {
  test('have correct types (tsc)', () => passes('node_modules/typescript/bin/tsc', '--noEmit'));
  test('have correct types in the page of the console, which runs in a browser (tsc)', () =>
    passes('node_modules/typescript/bin/tsc', '--noEmit', '--project', 'services/console/page'));
  test('are formatted and free of lint (biome)', () => passes('node_modules/@biomejs/biome/bin/biome', 'check', '--error-on-warnings'));
  test('keep the dependency rules, each of which finds its planted violation (dependency-cruiser)', () =>
    passes('tools/dependency-rule/check.ts'));
  test('have no unused file, export or dependency (knip)', () =>
    passes('node_modules/knip/bin/knip.js', '--no-progress', '--no-config-hints'));
  test('contain no forbidden text', () => passes('tools/forbidden-text/check.ts'));
});
