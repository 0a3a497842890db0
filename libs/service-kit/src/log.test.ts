import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLog } from './log.ts';

test('a line is JSON with its sentence, its fields and the service, and without credentials', () => {
  const lines: string[] = [];
  const log = createLog({ service: 'trial-edge', level: 'info', target: { write: (line) => lines.push(line) } });
  const err = Object.assign(new Error('refused'), { token: 'hidden-1', response: { password: 'hidden-2' } });
  log.debug('unseen');
  log.with({ edge: 'hiro', conn: 7 }).warn('a client was refused', { code: 'unauthenticated', err });
  assert.equal(lines.length, 1);
  const line = JSON.parse(lines[0] ?? '');
  assert.deepEqual(
    { level: line.level, service: line.service, edge: line.edge, conn: line.conn, code: line.code, msg: line.msg },
    { level: 'warn', service: 'trial-edge', edge: 'hiro', conn: 7, code: 'unauthenticated', msg: 'a client was refused' },
  );
  assert.ok(!lines[0]?.includes('hidden'));
});

test('of each kind of line a minute gets a bounded number, and then how many were left out', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const lines: { readonly msg: string; readonly level: string; readonly count?: number }[] = [];
  const log = createLog({ service: 'trial-edge', level: 'info', target: { write: (line) => lines.push(JSON.parse(line)) } });
  // What differs is what a client sent, and which of its connections did.
  for (let n = 0; n < 1000; n += 1) log.with({ conn: n }).warn(`an event was ignored: its name is "${n}"`);
  log.error('a handler failed');
  assert.equal(lines.filter(({ msg }) => msg.startsWith('an event was ignored')).length, 60);
  assert.equal(lines.filter(({ msg }) => msg === 'a handler failed').length, 1, 'another kind is not concerned');
  t.mock.timers.tick(60_000);
  const { level, msg, count } = lines.at(-1) ?? { level: '', msg: '' };
  assert.deepEqual(
    { level, msg, count },
    { level: 'warn', msg: 'an event was ignored: further lines of this minute were left out', count: 940 },
  );
  log.warn('an event was ignored: again');
  assert.equal(lines.at(-1)?.msg, 'an event was ignored: again', 'a new minute has begun');
});

test('different sentences are bounded together, and suppressed lines are reported before the process ends', () => {
  const lines: { readonly msg: string; readonly count?: number }[] = [];
  const log = createLog({ service: 'trial-edge', level: 'info', target: { write: (line) => lines.push(JSON.parse(line)) } });
  for (let n = 0; n < 5000; n += 1) log.warn(`nonsense ${'x'.repeat(n % 3000)}`);
  assert.ok(lines.length <= 200 * 60, `${lines.length} lines`);
  const before = lines.length;
  log.flush();
  assert.equal(lines.slice(before).reduce((sum, { count }) => sum + (count ?? 0), 0) + before, 5000);
});
