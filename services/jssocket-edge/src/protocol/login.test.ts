import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectionId, edgeOf } from './connection-id.ts';
import { ANSWER_MS, GIVE_UP_MS, Login } from './login.ts';
import { Rotation } from './rotation.ts';

const core = (edge: string, number: number): string => connectionId(edge, String(number).padEnd(32, '0'));
const [A, B] = ['aaaaaaaa', 'bbbbbbbb'];
const a1 = core(A, 1);
const a2 = core(A, 2);
const b1 = core(B, 3);

function rotation(...announced: readonly (readonly [string, string[]])[]): Rotation {
  const made = new Rotation();
  for (const [edge, cores] of announced) made.announce({ edge, cores }, 0);
  return made;
}

test('jssocket:10 a connection id is a version 4 UUID that leads to its edge', () => {
  const id = connectionId('0123abcd', 'f'.repeat(32));
  assert.equal(id, '0123abcd-ffff-4fff-bfff-ffffffffffff');
  assert.equal(edgeOf(id), '0123abcd');
  for (const other of ['', 'public', id.toUpperCase(), `${id}0`, id.replace('-4', '-1')]) assert.equal(edgeOf(other), undefined);
});

test('jssocket:33 cores take turns in the order they came, and a core that is announced again keeps its place', () => {
  const turns = rotation([A, [a1, a2]], [B, [b1]]);
  assert.deepEqual(
    [1, 2, 3, 4].map(() => turns.next(0)),
    [a1, a2, b1, a1],
  );
  turns.announce({ edge: A, cores: [a1, a2] }, 1);
  assert.deepEqual(
    [1, 2, 3].map(() => turns.next(1)),
    [a2, b1, a1],
  );
});

test('jssocket:34 disconnected cores, and those of an edge that is silent or leaving, get no logins', () => {
  const turns = rotation([A, [a1, a2]], [B, [b1]]);
  turns.announce({ edge: A, cores: [a2] }, 1000);
  assert.deepEqual(
    [1, 2].map(() => turns.next(1000)),
    [a2, b1],
  );
  assert.deepEqual(
    [1, 2].map(() => turns.next(4000)),
    [a2, a2],
  );
  assert.equal(turns.has(B, 4000), false);
  turns.announce({ edge: A, cores: [], leaving: true }, 4000);
  assert.equal(turns.next(4000), undefined);
  turns.announce({ edge: B, cores: [a1, b1] }, 4000);
  assert.deepEqual([turns.next(4000), turns.next(4000)], [b1, b1], 'an edge announces only its own cores');
});

test('jssocket:35 a core that leaves logins unanswered gets one only if there is no other, until it answers', () => {
  const turns = rotation([A, [a1, a2]]);
  turns.missed(a1);
  assert.deepEqual(
    [1, 2, 3].map(() => turns.next(0)),
    [a1, a2, a1],
  );
  turns.missed(a1);
  assert.deepEqual(
    [1, 2, 3].map(() => turns.next(0)),
    [a2, a2, a2],
  );
  assert.equal(turns.next(0, a2), a1);
  turns.answered(a1);
  assert.deepEqual(new Set([1, 2].map(() => turns.next(0))), new Set([a1, a2]));
});

test('jssocket:34 a login goes to the next core after three seconds, and is abandoned after thirty', () => {
  const login = new Login(rotation([A, [a1, a2]]));
  assert.deepEqual(login.begin('{}', 0), { kind: 'request', core: a1, data: '{}', lookMs: ANSWER_MS });
  assert.deepEqual(login.look(3000), { kind: 'request', core: a2, data: '{}', lookMs: ANSWER_MS });
  assert.equal(login.look(GIVE_UP_MS - 1000).kind === 'give-up', false);
  assert.deepEqual(login.look(GIVE_UP_MS), { kind: 'give-up' });
  assert.equal(login.pending, false);
});

test('jssocket:34 a lone core gets a login once; without a core the newest login waits', () => {
  const login = new Login(rotation([A, [a1]]));
  login.begin('{}', 0);
  assert.deepEqual(login.look(3000), { kind: 'wait', lookMs: ANSWER_MS });
  const cores = new Rotation();
  const waiting = new Login(cores);
  assert.equal(waiting.begin('{"n":1}', 0).kind, 'wait');
  assert.equal(waiting.begin('{"n":2}', 10).kind, 'wait');
  cores.announce({ edge: A, cores: [a1] }, 20);
  assert.deepEqual(waiting.retry(20), { kind: 'request', core: a1, data: '{"n":2}', lookMs: ANSWER_MS });
});

test('jssocket:34 a second answer is passed on only if it changes something', () => {
  const login = new Login(rotation([A, [a1, a2]]));
  login.begin('{}', 0);
  login.look(3000);
  assert.equal(login.answered(a2, true, 3100), 'final');
  assert.equal(login.answered(a1, false, 3200), 'drop');
  assert.equal(login.answered(a1, false, 3300), 'final', 'a third answer was not requested: the core sent it on its own');
});

test('an event that is too long to keep is forwarded only once', () => {
  const login = new Login(rotation([A, [a1, a2]]));
  assert.equal(login.begin(`{"x":"${'x'.repeat(70_000)}"}`, 0).kind, 'request');
  assert.equal(login.look(3000).kind, 'wait');
  assert.equal(login.answered(a1, false, 3100), 'final');
});

test('the answer to an earlier login neither replaces nor ends a newer one', () => {
  const login = new Login(rotation([A, [a1, a2]]));
  login.begin('{"user":1}', 0);
  assert.equal(login.begin('{"user":2}', 10).kind, 'request');
  assert.equal(login.answered(a1, true, 20), 'drop');
  assert.equal(login.pending, true);
  assert.equal(login.answered(a2, true, 30), 'final');
  const other = new Login(rotation([A, [a1, a2]]));
  other.begin('{"user":1}', 0);
  other.begin('{"user":2}', 10);
  assert.equal(other.answered(a2, true, 20), 'final');
  assert.equal(other.answered(a1, true, 30), 'drop');
  assert.equal(other.answered(a1, true, 40), 'final', 'not requested: the core sent it on its own');
});

test('a core that was asked for two logins answers them in order, and only the second answer ends the second login', () => {
  const login = new Login(rotation([A, [a1]]));
  login.begin('{"user":1}', 0);
  login.begin('{"user":2}', 10);
  assert.equal(login.answered(a1, true, 20), 'earlier');
  assert.equal(login.pending, true);
  assert.equal(login.answered(a1, true, 30), 'final');
  assert.equal(login.pending, false);
});

test('a core that gave no answer in thirty seconds owes none', () => {
  const login = new Login(rotation([A, [a1]]));
  login.begin('{"user":1}', 0);
  login.begin('{"user":2}', GIVE_UP_MS + 1);
  assert.equal(login.answered(a1, true, GIVE_UP_MS + 2), 'final');
});
