import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Element } from '@polyedge/contracts/element';
import { compareBy } from '@polyedge/query/query';
import fc from 'fast-check';
import { type Step, Window } from './window.ts';

const stamp = { on: 0, by: '', app: '' };
const row = (id: string, price: number, seq: number, deleted = false): Element => ({
  ...{
    tenant: 't',
    id,
    kind: 'vertex',
    type: 'p',
    scope: 's',
    attributes: { price },
    version: 1,
    seq,
    created: stamp,
    modified: stamp,
    deleted,
  },
});
const compare = compareBy([{ path: ['attributes', 'price'], order: 'asc' }]);
const LIMIT = 3;

/** What a client does with steps. */
function follow(list: readonly string[], steps: readonly Step[]): readonly string[] {
  const rows = [...list];
  for (const { event, row: told, position } of steps) {
    if (position.from !== null) assert.deepEqual(rows.splice(position.from, 1), [told.id], `${event} leaves from where it is`);
    if (position.to !== null) rows.splice(position.to, 0, told.id);
    assert.ok(rows.length <= LIMIT, 'never more than the limit');
  }
  return rows;
}

const change = fc.record({
  id: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'),
  price: fc.nat(20),
  gone: fc.boolean(),
  tell: fc.boolean(),
});

test('following the steps of a window gives the first rows of the query, however changes come and whenever they are told', () => {
  fc.assert(
    fc.property(fc.array(change, { maxLength: 60 }), (changes) => {
      const all = new Map<string, Element>();
      const sorted = (): Element[] => [...all.values()].sort(compare);
      const window = new Window(LIMIT, compare, [], true);
      let told: readonly string[] = [];
      let seq = 0;
      for (const { id, price, gone, tell } of changes) {
        seq += 1;
        const before = all.get(id);
        if (gone && before === undefined) continue;
        const after = gone ? undefined : row(id, price, seq);
        if (after === undefined) all.delete(id);
        else all.set(id, after);
        const state = after ?? { ...(before ?? row(id, price, seq)), seq, deleted: true };
        window.change(id, after, { created: before === undefined, deleted: gone ? state : undefined, row: state, differs: true });
        // The store is asked as soon as spare rows become few, and answers at once.
        if (window.thin) window.refill(sorted().slice(0, window.capacity), all.size <= window.capacity, seq, new Map());
        if (tell) told = follow(told, window.tell());
      }
      told = follow(told, window.tell());
      assert.deepEqual(
        told,
        sorted()
          .slice(0, LIMIT)
          .map(({ id }) => id),
      );
      assert.deepEqual(window.tell(), []);
    }),
  );
});

test('an answer of the store that is older or newer than what was heard since does no harm', () => {
  const rows = [1, 2, 3, 4].map((price) => row(`r${price}`, price, price));
  const window = new Window(LIMIT, compare, rows, false);
  const gone = { ...row('r4', 4, 10), deleted: true };
  window.change('r4', undefined, { created: false, deleted: gone, row: gone, differs: true });
  // Older: it still has what has gone since.
  window.refill(rows, true, 9, new Map([['r4', 10]]));
  // Newer: the change itself comes later.
  window.refill([...rows.slice(0, 2), row('r9', 2, 20), ...rows.slice(2, 3)], true, 21, new Map());
  const late = row('r9', 2, 20);
  window.change('r9', late, { created: true, deleted: undefined, row: late, differs: true });
  assert.deepEqual(follow(['r1', 'r2', 'r3'], window.tell()), ['r1', 'r2', 'r9']);
});
