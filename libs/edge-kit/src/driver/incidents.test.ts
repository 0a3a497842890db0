import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLog } from '@polyedge/service-kit/log';
import { Incidents } from './incidents.ts';

test('the log has an incident under the name that the client received, and at most twenty per second', () => {
  const lines: Record<string, unknown>[] = [];
  const log = createLog({ service: 'test', level: 'info', target: { write: (line) => lines.push(JSON.parse(line)) } });
  let at = 0;
  const incidents = new Incidents(log, { now: () => at, wakeAt: () => () => {} });
  for (let nr = 0; nr < 50; nr += 1) incidents.report(7, `name-${nr}`, 'unavailable');
  assert.equal(lines.length, 20);
  const [{ conn, id, code, level } = {}] = lines;
  assert.deepEqual({ conn, id, code, level }, { conn: 7, id: 'name-0', code: 'unavailable', level: 'error' });
  at = 1000;
  incidents.report(7, 'later', 'internal');
  assert.equal(lines.length, 21);
  assert.equal(lines[20]?.id, 'later');
  assert.equal(lines[20]?.count, 30, 'left out before');
});
