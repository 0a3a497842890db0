import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RunRequest } from './run.ts';
import { callRecord, lineOf } from './run-record.ts';
import type { Runnable } from './runnable.ts';

const runnable: Runnable = {
  ...{
    plural: 'scripts',
    tenant: 't',
    id: 's1',
    name: `${'n'.repeat(511)}😀`,
    path: '/requests/x',
    body: '',
    enabled: true,
    logging: true,
  },
  ...{ schedule: undefined, timezone: 'UTC', version: 1, seq: 1, created: 1, scope: 's' },
};
const wanted: RunRequest = {
  ...{ runnable, call: 'c1', seed: 'c1', at: 1, parameters: [], context: {}, orderKey: undefined, property: undefined },
  ...{ depth: 1, chain: 'c1', parentCall: undefined, testData: false, http: false },
};

test('saga:24 characters that cannot be stored are replaced in log lines and errors', () => {
  const written = { message: 'a\0b\ud800', args: ['\0', { 'k\udc00': ['\ud800', 1, null] }] };
  assert.deepEqual(lineOf(JSON.stringify(written)), {
    message: 'a\ufffdb\ufffd',
    args: ['\ufffd', { 'k\ufffd': ['\ufffd', 1, null] }],
  });
  // The cut is inside of a pair.
  assert.equal(lineOf(JSON.stringify({ message: `${'x'.repeat(65_535)}😀`, args: [] }))?.message.isWellFormed(), true);
  const error = { message: 'Error: \0', stack: 'Error: \ud800' };
  const outcome = { is: 'threw', name: 'Error', ...error } as const;
  const call = callRecord(wanted, { outcome, error }, { startedAt: 1, logCount: 0 }, { ms: 1, version: undefined });
  assert.equal(call.name?.isWellFormed(), true);
  assert.deepEqual([call.success, call.error], [false, { message: 'Error: \ufffd', stack: 'Error: \ufffd' }]);
});
