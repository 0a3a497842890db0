import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClosingCounts } from './closing-counts.ts';

const diagnostic = (message: string, file?: string) =>
  ({ type: 'test:diagnostic', data: { nesting: 0, message, level: 'info', ...(file === undefined ? {} : { file }) } }) as const;

const summary = (file: string | undefined) =>
  ({
    type: 'test:summary',
    data: {
      file,
      counts: { tests: 0, passed: 0, skipped: 0, cancelled: 0, todo: 0, topLevel: 0, suites: 0 },
      duration_ms: 1,
      success: true,
    },
  }) as const;

test('the counts of two runs add up, and what tests say is left alone', () => {
  const counts = new ClosingCounts();
  for (const run of [
    ['tests 10', 'suites 1', 'pass 8', 'fail 1', 'cancelled 0', 'skipped 1', 'todo 0', 'duration_ms 1.5'],
    ['tests 2', 'suites 0', 'pass 1', 'fail 0', 'cancelled 1', 'skipped 0', 'todo 0', 'duration_ms 2'],
  ])
    for (const line of run) assert.equal(counts.take(diagnostic(line)), true);
  for (const file of [undefined, '/a.test.ts']) assert.equal(counts.take(summary(file)), file === undefined);
  assert.deepEqual(counts.summary, summary(undefined));
  assert.equal(counts.take(diagnostic('tests 7', '/a.test.ts')), false);
  assert.equal(counts.take(diagnostic('a pass')), false);
  assert.deepEqual(counts.lines().slice(0, 5), ['tests 12', 'suites 1', 'pass 9', 'fail 1', 'cancelled 1']);
  assert.equal(counts.lines().at(-1), 'duration_ms 3.5');
  assert.equal(counts.sentence(), '9 passed, 2 failed, 1 skipped');
});
