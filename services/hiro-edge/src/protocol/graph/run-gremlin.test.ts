import assert from 'node:assert/strict';
import { test } from 'node:test';
import { done } from '@polyedge/contracts/errors';
import { talk } from '../../../test/graph-talk.ts';
import { sampleElement } from '../../../test/sample-element.ts';
import { NOW } from '../../../test/sample-principal.ts';

const LIMIT_MS = 10_000;

const stamp = { on: NOW, by: 'acc1', app: 'app1' };
const root = sampleElement({ type: 'ogit/Note', scope: 'scope1', attributes: {}, seq: 1, created: stamp, modified: stamp });

/** A socket that requested `out().out()`; the store answers its first read after `firstMs`. Returns the output then, and after the second answer. */
function walk(firstMs: number, secondMs: number) {
  const { send, input } = talk();
  const [asked] = send(
    JSON.stringify({ id: '1', type: 'query', headers: { type: 'gremlin' }, body: { root: 'v1', query: 'out().out()' } }),
  );
  assert.equal(asked?.do, 'request');
  const { id } = asked;
  const then = input({ kind: 'reply', id, outcome: done({ epoch: 'e', seq: 1, elements: [root] }) }, NOW + firstMs);
  return { then, later: input({ kind: 'reply', id, outcome: done({ epoch: 'e', seq: 1, elements: [] }) }, NOW + secondMs) };
}

test('hiro:G14 a traversal that takes longer than its limit is answered 408 by a socket, however many reads it needs', () => {
  const tooLate = { do: 'send', frame: { id: '1', error: { code: 408, message: 'the query takes too long' } } };
  const inTime = walk(LIMIT_MS, LIMIT_MS);
  assert.deepEqual(
    inTime.then.map((effect) => effect.do),
    ['request'],
  );
  assert.deepEqual(
    inTime.later.flatMap((effect) => (effect.do === 'send' ? [effect.frame] : [])),
    [{ id: '1', multi: true, more: false, body: null }],
  );
  const second = walk(LIMIT_MS, LIMIT_MS + 1);
  assert.deepEqual(second.later.slice(0, 1), [tooLate]);
  const first = walk(LIMIT_MS + 1, LIMIT_MS + 2);
  assert.deepEqual(first.then.slice(0, 1), [tooLate]);
  // Results after the answer are dropped.
  assert.deepEqual(first.later, []);
});
