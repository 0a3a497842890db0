import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { processesOf } from './test-processes.ts';

test('files that share a process are imported by one, in the place of the first; the others run as they are', (t) => {
  const made = mkdtempSync(join(tmpdir(), 'polyedge-processes-'));
  t.after(() => rmSync(made, { recursive: true }));
  const folder = join(made, 'new');
  const files = ['a.test.ts', 'b/one.test.ts', 'c.test.ts', 'b/the other.test.ts'];
  const sharedBy = (file: string) => (file.startsWith('b/') ? 'of-b' : undefined);
  const shared = join(folder, 'of-b.test.mjs');
  assert.deepEqual(processesOf(files, sharedBy, { root: '/root', folder }), ['/root/a.test.ts', shared, '/root/c.test.ts']);
  assert.equal(readFileSync(shared, 'utf8'), 'import "file:///root/b/one.test.ts";\nimport "file:///root/b/the%20other.test.ts";\n');
});
