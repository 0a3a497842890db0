import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readArguments } from './polyedge-arguments.ts';
import { benchLines, spreadOf } from './polyedge-bench.ts';
import { accountLines, elementLines, groupLines, tailLine } from './polyedge-text.ts';

test('content cannot move the cursor of a terminal', () => {
  const row = {
    seq: 1,
    on: 0,
    id: 'x',
    type: 'T',
    kind: 'vertex',
    action: 'create',
    version: 1,
    by: '',
    app: '',
    protocol: 'hiro',
    operation: '',
    changed: [],
  } as const;
  assert.equal(tailLine({ ...row, name: 'a\u001b[2Jb\u009bc\u202e' }).includes('a?[2Jb?c?'), true);
});

test('columns are as wide as their widest cell', () => {
  const lines = accountLines({ accounts: [{ id: '1', username: 'somebody', roles: { hiro: ['admin'] }, disabled: true }] });
  assert.deepEqual(lines, ['USER      STATE     ROLES       ID', 'somebody  disabled  hiro:admin  1']);
});

test('a spread is the median and what 99 of 100 stay below', () => {
  const values = Array.from({ length: 200 }, (_, at) => 200 - at);
  assert.deepEqual(spreadOf(values), { p50: 101, p99: 199 });
  assert.deepEqual(spreadOf([]), { p50: 0, p99: 0 });
  const spread = { p50: 1, p99: 2 };
  const lines = benchLines({ seconds: 1, writers: 2, writes: 3, writesPerSecond: 3, answered: spread, heard: spread, missing: 4 });
  assert.match(lines.at(-1) ?? '', /^4 events did not arrive/);
});

test('a group without members has no known lag', () => {
  const group = {
    id: 1,
    internal: false,
    name: 'g',
    createdOn: 0,
    touchedOn: 0,
    members: [],
    partitions: [{ partition: 0, position: 3 }],
    lag: 0,
  };
  assert.match(groupLines({ groups: [group] })[1] ?? '', /^g\s+0\s+1\s+0\s+\?$/);
  assert.deepEqual(groupLines({ groups: [] }), ['There is no group.']);
});

test('an element is shown with its edges in both directions and its history', () => {
  const element = { id: 'me', type: 'T', version: 2, deleted: false, attributes: '{\n  "a": 1\n}' };
  const edges = [
    { type: 'v', out: 'me', in: 'a' },
    { type: 'v', out: 'b', in: 'me' },
  ];
  const lines = elementLines({ element, edges, history: [{ seq: 9, action: 'update', version: 2, on: 0, protocol: 'saga' }] });
  assert.ok(lines.includes('-> a  v') && lines.includes('<- b  v'));
  assert.match(lines.at(-1) ?? '', /^9 {2}1970/);
});

test('what a command does not take is refused, and not ignored', () => {
  const refusals: readonly (readonly [string, RegExp])[] = [
    ['status --nope', /Unknown option '--nope'/],
    ['status now', /status does not take "now"/],
    ['status --count 3', /status has no option --count/],
    ['tail --count x', /--count is a whole number/],
    ['tail --count 0', /--count is a whole number/],
    ['get one two', /get does not take "two"/],
    ['tenants place acme second', /tenants does not take "second"/],
    ['tenants move acme --type second', /tenants has no option --type/],
  ];
  for (const [line, because] of refusals) assert.throws(() => readArguments(line.split(' ')), because, line);
  for (const line of [
    '',
    'status --json',
    'tail --count 3 --type T',
    'tenants move acme --to second',
    'get one',
    'bench --seconds 1',
    'nothing x',
  ])
    assert.doesNotThrow(() => readArguments(line.split(' ').filter((word) => word !== '')), line);
});
