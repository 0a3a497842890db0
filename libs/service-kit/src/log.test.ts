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
