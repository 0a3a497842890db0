import assert from 'node:assert/strict';
import { test } from 'node:test';
import { graphGet } from '@polyedge/contracts/bus/graph';
import { done, failed, type Outcome } from '@polyedge/contracts/errors';
import { call, type Question, write } from './questions.ts';
import { type Task, Tasks } from './task.ts';

/** Says what is asked under which id, and how tasks end. */
function runner(atMost = 4) {
  return new Tasks<Question, string, string, string>(
    {
      perform: (id, question, owner) => `${owner} asks ${question.kind} as ${id}`,
      done: (result, owner) => `${owner} ends with ${result}`,
    },
    atMost,
  );
}

function* readThenWrite(): Task<Question, string> {
  const found = yield* call(graphGet, { tenant: 't' }, { ids: ['a'] });
  if (!found.ok) return found.failure.code;
  const written = yield* write('create', []);
  return written.ok ? `${found.value.seq} and ${written.value.last}` : written.failure.code;
}

const read: Outcome<unknown> = done({ epoch: 'e', seq: 7, elements: [] });

test('a task resumes with the outcome of each question, and its result follows the last one', () => {
  const tasks = runner();
  assert.equal(tasks.start('1', readThenWrite(), 'ann'), 'ann asks call as 1');
  assert.equal(tasks.resume('1', read), 'ann asks write as 1');
  assert.equal(tasks.resume('1', done({ first: 8, last: 9, operations: [] })), 'ann ends with 7 and 9');
  assert.equal(tasks.resume('1', read), undefined, 'it is over');
});

test('a failed question is an outcome like any other, and tasks do not wait for each other', () => {
  const tasks = runner();
  tasks.start('1', readThenWrite(), 'ann');
  tasks.start('2', readThenWrite(), 'bob');
  assert.equal(tasks.resume('2', failed('unavailable')), 'bob ends with unavailable');
  assert.equal(tasks.resume('1', read), 'ann asks write as 1');
});

test('a task without questions ends when it is started, and does not count', () => {
  const tasks = runner(1);
  const nothing = function* (): Task<Question, string> {
    yield* [];
    return 'nothing';
  };
  assert.equal(tasks.start('1', nothing(), 'ann'), 'ann ends with nothing');
  assert.equal(tasks.size, 0);
});

test('more tasks than allowed are not started, and after the end no outcome finds its task', () => {
  const tasks = runner(1);
  tasks.start('1', readThenWrite(), 'ann');
  assert.ok(tasks.isFull);
  assert.throws(() => tasks.start('2', readThenWrite(), 'bob'), RangeError);
  tasks.end();
  assert.equal(tasks.resume('1', read), undefined);
  assert.equal(tasks.start('2', readThenWrite(), 'bob'), 'bob asks call as 2');
});
