import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '@polyedge/query/json';
import { updated } from './rewrite.ts';

const MEMBERS = 20_000;
const CHANGES = 1000;
const names = (prefix: string, count: number): string[] => Array.from({ length: count }, (_, n) => `${prefix}${n}`);
const object = (of: readonly string[]): JsonObject => Object.fromEntries(of.map((name) => [name, 'x']));

function cpuMs(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

test('a thousand values of a large element are set and removed at the cost of one copy of it', () => {
  const attributes: JsonObject = { ...object(names('a', MEMBERS)), inner: object(names('b', MEMBERS)) };
  const before = JSON.stringify(attributes);
  const put = [
    ...names('c', CHANGES).map((name) => ({ path: [name], value: 1 })),
    ...names('b', CHANGES).map((name) => ({ path: ['inner', name], value: 1 })),
  ];
  let next: JsonObject = {};
  const spent = cpuMs(() => {
    const outcome = updated(attributes, { op: 'update', target: { id: 'v' }, put, unset: names('a', CHANGES) });
    assert.ok(outcome.ok);
    next = outcome.value.attributes;
  });
  // A copy of it takes a few milliseconds; one for each change took a minute, in which the process answered nobody.
  assert.ok(spent < 3000, `${spent} ms`);
  assert.equal(Object.keys(next).length, MEMBERS + 1);
  assert.deepEqual([next.c0, next.a0, next[`a${CHANGES}`]], [1, undefined, 'x']);
  const inner = next.inner as JsonObject;
  assert.deepEqual([inner.b0, inner[`b${CHANGES}`]], [1, 'x']);
  // Neither the element before nor what the operation gives is modified.
  assert.equal(JSON.stringify(attributes), before);
  const given = { a: { b: 1 } };
  const twice = updated({}, { op: 'update', target: { id: 'v' }, set: given, put: [{ path: ['a', 'c'], value: 2 }] });
  assert.deepEqual(twice.ok && twice.value.attributes, { a: { b: 1, c: 2 } });
  assert.deepEqual(given, { a: { b: 1 } });
});
