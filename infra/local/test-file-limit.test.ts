import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';

const run = (script: string, limitMs: number) =>
  spawnSync(process.execPath, ['--import', join(import.meta.dirname, 'test-file-limit.ts'), '--eval', script], {
    env: { ...process.env, POLYEDGE_TEST_FILE_MS: String(limitMs) },
    encoding: 'utf8',
  });

test('a file that something keeps open is ended at the limit, and says what it holds', () => {
  const { status, stderr } = run('setInterval(() => {}, 1000)', 500);
  assert.equal(status, 1);
  assert.match(stderr, /it has run for 0.5 s; it holds: .*Timeout/);
});

test('a file that ends does not wait for the limit', () => {
  assert.deepEqual(run('setTimeout(() => console.log("done"), 10)', 600_000).stdout, 'done\n');
});
