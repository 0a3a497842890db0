import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failed, type Outcome } from '@polyedge/contracts/errors';
import { SharedAnswers } from './shared-answers.ts';

function setUp() {
  let at = 0;
  let asked = 0;
  const shared = new SharedAnswers(1000, () => at);
  const get = (question: string, fails = false): Promise<Outcome<string>> =>
    shared.get(question, async () => {
      asked += 1;
      return fails ? failed('unavailable') : { ok: true, value: { count: asked } };
    });
  return {
    ...{ shared, get },
    pass: (ms: number) => {
      at += ms;
    },
    get asked() {
      return asked;
    },
  };
}

const first = { ok: true, value: '{"count":1}' };

test('ten pages that ask the same within a short time get one answer', async () => {
  const { get, pass } = setUp();
  const answers = Array.from({ length: 9 }, () => get('connections'));
  pass(999);
  assert.deepEqual(await Promise.all([...answers, get('connections')]), Array(10).fill(first));
});

test('an old answer is not given again, nor one to another question', async () => {
  const scene = setUp();
  await scene.get('connections');
  await scene.get('connections of ann');
  assert.equal(scene.asked, 2);
  scene.pass(1000);
  await scene.get('connections');
  assert.equal(scene.asked, 3);
});

test('after a change, everybody is asked again, also while an answer is on its way', async () => {
  const scene = setUp();
  const before = scene.get('connections');
  scene.shared.forget();
  const after = scene.get('connections');
  assert.deepEqual(await Promise.all([before, after]), [first, { ok: true, value: '{"count":2}' }]);
  assert.deepEqual(await scene.get('connections'), { ok: true, value: '{"count":2}' });
});

test('a failure is given to those who waited for it, and not kept', async () => {
  const { get } = setUp();
  const [one, other] = await Promise.all([get('groups', true), get('groups', true)]);
  assert.equal(one?.ok, false);
  assert.equal(other?.ok, false);
  assert.deepEqual(await get('groups'), { ok: true, value: '{"count":2}' });
});
