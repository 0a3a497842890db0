import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Element } from '@polyedge/contracts/element';
import { done, type Outcome } from '@polyedge/contracts/errors';
import { EVERYTHING } from '@polyedge/query/filter';
import { compile } from '@polyedge/query/predicate';
import type { Allowed } from './access.ts';
import { forgetExpired, planCreate } from './writing.ts';

const NOW = 1_000_000_000;
/** What an operation of the store may select. */
const MAX_SELECTED = 10_000;
const RULE: Allowed = { rows: EVERYTHING, check: EVERYTHING, fields: { all: true, names: new Set() }, set: {}, grant: undefined } as never;

const once = (id: string, on: number) =>
  ({ id, type: 'gooduncle/Once', kind: 'vertex', scope: 's', attributes: {}, modified: { on, by: '', app: '' } }) as unknown as Element;

test('expired uses of `once` are deleted however many there are', () => {
  let kept = [...Array.from({ length: 2 * MAX_SELECTED + 1 }, (_, n) => once(`old-${n}`, 1)), once('new', NOW - 1000)];
  const work = forgetExpired(RULE, 's', NOW);
  let outcome: Outcome<unknown> | undefined;
  for (;;) {
    const step = outcome === undefined ? work.next() : work.next(outcome);
    if (step.done === true) break;
    const question = step.value;
    if (question.kind === 'read') {
      const matches = compile(question.query.filter);
      outcome = done({ elements: kept.filter(matches).slice(0, question.query.limit) });
    } else {
      assert.equal(question.kind, 'write');
      const [operation] = question.kind === 'write' ? question.operations : [];
      assert.ok(operation?.op === 'delete' && operation.target.where !== undefined);
      const matches = compile(operation.target.where);
      const selected = kept.filter(matches);
      assert.ok(selected.length <= MAX_SELECTED, `an operation selects ${selected.length} elements`);
      kept = kept.filter((element) => !matches(element));
      outcome = done({ operations: [], first: 0, last: 0, repeated: false });
    }
  }
  assert.deepEqual(
    kept.map(({ id }) => id),
    ['new'],
  );
});

test('thousands of dotted names below one field cost as much as their number, not its square', () => {
  const count = 20_000;
  const put = Array.from({ length: count }, (_, n) => ({ path: ['a', `k${n}`], value: n }));
  const given = {
    type: 'create',
    topic: 't',
    id: undefined,
    once: undefined,
    params: { set: { a: { first: 1 } }, put, named: [] },
  } as const;
  const before = process.cpuUsage();
  const plan = planCreate({ type: 'x', clientIds: true } as never, [RULE], given, 'id', 's');
  const { user, system } = process.cpuUsage(before);
  assert.ok(plan.ok);
  const [operation] = plan.operations;
  assert.ok(operation?.op === 'create');
  assert.equal(Object.keys(operation.attributes.a as object).length, count + 1);
  assert.deepEqual(given.params.set, { a: { first: 1 } });
  // With a copy of the field for each name it takes a minute, in which the edge answers nobody.
  assert.ok((user + system) / 1000 < 2000, `${(user + system) / 1000} ms`);
});
