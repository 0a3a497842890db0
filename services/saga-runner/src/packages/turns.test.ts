import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { Turns } from './turns.ts';

/** Work that ends when the test says so. */
function bench(most: number) {
  const turns = new Turns(most);
  const begun: string[] = [];
  const ends = new Map<string, (error?: Error) => void>();
  const take = (tenant: string, name: string): Promise<void> =>
    turns.take(tenant, () => {
      begun.push(name);
      return new Promise((resolve, reject) => ends.set(name, (error) => (error === undefined ? resolve() : reject(error))));
    });
  const end = async (name: string, error?: Error): Promise<void> => {
    ends.get(name)?.(error);
    await setImmediate();
  };
  return { begun, take, end };
}

test('an organization has one piece of work at a time, and waits behind the others after it', async () => {
  const { begun, take, end } = bench(2);
  for (const name of ['a1', 'a2', 'a3', 'b1', 'c1', 'b2', 'd1']) void take(name.slice(0, 1), name);
  await setImmediate();
  assert.deepEqual(begun, ['a1', 'b1']);
  await end('b1');
  assert.deepEqual(begun.slice(2), ['c1']);
  // The slow one of `a` holds one place, and nobody else.
  await end('c1');
  await end('d1');
  await end('b2');
  assert.deepEqual(begun.slice(3), ['d1', 'b2']);
  await end('a1');
  assert.deepEqual(begun.slice(5), ['a2']);
});

test('work that fails gives its place and its turn back', async () => {
  const { begun, take, end } = bench(1);
  const failed = take('a', 'a1');
  const others = [take('a', 'a2'), take('b', 'b1')];
  await setImmediate();
  await Promise.all([assert.rejects(failed, /broken/), end('a1', new Error('broken'))]);
  for (const name of ['b1', 'a2']) await end(name);
  await Promise.all(others);
  assert.deepEqual(begun, ['a1', 'b1', 'a2']);
});
