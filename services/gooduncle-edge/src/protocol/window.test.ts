import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Element } from '@polyedge/contracts/element';
import { compareBy } from '@polyedge/query/query';
import fc from 'fast-check';
import { type Changed, Window, type WindowStep } from './window.ts';

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
function follow(list: readonly string[], steps: readonly WindowStep[], limit = LIMIT): readonly string[] {
  const rows = [...list];
  for (const { event, row: told, position } of steps) {
    if (position.from !== null) assert.deepEqual(rows.splice(position.from, 1), [told.id], `${event} leaves from where it is`);
    if (position.to !== null) rows.splice(position.to, 0, told.id);
    assert.ok(rows.length <= limit, 'never more than the limit');
  }
  return rows;
}

const change = fc.record({
  id: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'),
  price: fc.nat(20),
  gone: fc.boolean(),
  takeSteps: fc.boolean(),
});

test('following the steps of a window gives the first rows of the query, in whatever order changes and updates occur', () => {
  fc.assert(
    fc.property(fc.array(change, { maxLength: 60 }), (changes) => {
      const all = new Map<string, Element>();
      const sorted = (): Element[] => [...all.values()].sort(compare);
      const window = new Window(LIMIT, compare, [], true);
      let told: readonly string[] = [];
      let seq = 0;
      for (const { id, price, gone, takeSteps } of changes) {
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
        if (takeSteps) told = follow(told, window.takeSteps());
      }
      told = follow(told, window.takeSteps());
      assert.deepEqual(
        told,
        sorted()
          .slice(0, LIMIT)
          .map(({ id }) => id),
      );
      assert.deepEqual(window.takeSteps(), []);
    }),
  );
});

const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ id: fc.constantFrom(...'abcdefghij'), price: fc.nat(9), gone: fc.boolean() }) },
  { weight: 8, arbitrary: fc.constantFrom('handle', 'look', 'answer', 'tell') },
);

test('gooduncle:F44 the same while changes are handled late, and answers of the store are older or newer than they', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 3 }), fc.array(step, { maxLength: 80 }), (limit, steps) => {
      const all = new Map<string, Element>();
      const sorted = (): Element[] => [...all.values()].sort(compare);
      const log: { readonly id: string; readonly before: Element | undefined; readonly after: Element | undefined }[] = [];
      for (const [at, id] of [...'abcdefg'].entries()) all.set(id, row(id, at, 0));
      const window = new Window(limit, compare, sorted().slice(0, limit * 2), false);
      let told: readonly string[] = window.shown.map(({ id }) => id);
      let handled = 0;
      let asked: Map<string, Changed> | undefined;
      let answer: { readonly rows: readonly Element[]; readonly complete: boolean; readonly seq: number } | undefined;
      const act = (what: 'handle' | 'look' | 'answer' | 'tell'): void => {
        const next = log[handled];
        if (what === 'tell') told = follow(told, window.takeSteps(), limit);
        else if (what === 'look' && asked !== undefined)
          answer ??= { rows: sorted().slice(0, window.capacity), complete: all.size <= window.capacity, seq: log.length };
        else if (what === 'answer' && asked !== undefined && answer !== undefined) {
          window.refill(answer.rows, answer.complete, answer.seq, asked);
          asked = undefined;
          answer = undefined;
        } else if (what === 'handle' && next !== undefined) {
          handled += 1;
          const { id, before, after } = next;
          const state = after ?? { ...(before ?? row(id, 0, handled)), seq: handled, deleted: true };
          const deleted = after === undefined ? state : undefined;
          window.change(id, after, { created: before === undefined, deleted, row: state, differs: true });
          asked?.set(id, { seq: handled, row: after });
        }
        if (window.thin) asked ??= new Map();
      };
      for (const one of steps) {
        if (typeof one === 'string') {
          act(one);
          continue;
        }
        const before = all.get(one.id);
        if (one.gone && before === undefined) continue;
        const after = one.gone ? undefined : row(one.id, one.price, log.length + 1);
        log.push({ id: one.id, before, after });
        if (after === undefined) all.delete(one.id);
        else all.set(one.id, after);
      }
      while (handled < log.length) act('handle');
      for (let round = 0; round < 5; round += 1) for (const what of ['answer', 'look', 'answer', 'tell'] as const) act(what);
      assert.deepEqual(
        told,
        sorted()
          .slice(0, limit)
          .map(({ id }) => id),
      );
    }),
    { numRuns: 3000 },
  );
});

test('an answer of the store that is older or newer than the delivered changes does no harm', () => {
  const rows = [1, 2, 3, 4].map((price) => row(`r${price}`, price, price));
  const window = new Window(LIMIT, compare, rows, false);
  const gone = { ...row('r4', 4, 10), deleted: true };
  window.change('r4', undefined, { created: false, deleted: gone, row: gone, differs: true });
  // Older: it still has what has gone since.
  window.refill(rows, true, 9, new Map([['r4', { seq: 10, row: undefined }]]));
  // Newer: the change itself comes later.
  window.refill([...rows.slice(0, 2), row('r9', 2, 20), ...rows.slice(2, 3)], true, 21, new Map());
  const late = row('r9', 2, 20);
  window.change('r9', late, { created: true, deleted: undefined, row: late, differs: true });
  assert.deepEqual(follow(['r1', 'r2', 'r3'], window.takeSteps()), ['r1', 'r2', 'r9']);
});

test('gooduncle:F44 a row that changed after the read, and is behind the known rows, is not lost', () => {
  const rows = [1, 2, 3].map((price) => row(`r${price}`, price, price));
  for (const complete of [true, false]) {
    const window = new Window(LIMIT, compare, rows, false);
    const moved = row('r6', 5, 12);
    const made = row('new', 6, 13);
    // Both come while more rows are asked for, of which the answer shows the state at 11.
    for (const one of [moved, made]) window.change(one.id, one, { created: one === made, deleted: undefined, row: one, differs: true });
    const changed = new Map([moved, made].map((one) => [one.id, { seq: one.seq, row: one }]));
    window.refill([...rows, row('r5', 5, 5), row('r6', 6, 6), ...(complete ? [] : [row('r7', 7, 7)])], complete, 11, changed);
    for (const gone of rows) {
      const state = { ...gone, seq: 20 + gone.seq, deleted: true };
      window.change(gone.id, undefined, { created: false, deleted: state, row: state, differs: true });
    }
    assert.deepEqual(follow(['r1', 'r2', 'r3'], window.takeSteps()), ['r5', 'r6', 'new'], `complete: ${complete}`);
  }
});

test('gooduncle:F44 an answer whose rows have all changed since takes nothing away that is right', () => {
  const window = new Window(1, compare, [row('a', 10, 1)], false);
  window.refill([row('b', 5, 2), row('c', 7, 3)], false, 3, new Map(['b', 'c'].map((id) => [id, { seq: 9, row: undefined }])));
  assert.deepEqual(
    window.shown.map(({ id }) => id),
    ['a'],
  );
});

test('gooduncle:F44 gooduncle:F45 a row that was deleted and created again between two updates is sent as both', () => {
  const window = new Window(LIMIT, compare, [row('a', 1, 1), row('b', 2, 2)], true);
  const gone = { ...row('a', 1, 3), deleted: true };
  window.change('a', undefined, { created: false, deleted: gone, row: gone, differs: true });
  const again = row('a', 3, 4);
  window.change('a', again, { created: true, deleted: undefined, row: again, differs: true });
  const steps = window.takeSteps();
  assert.deepEqual(
    steps.map(({ event, row: { seq }, position }) => [event, seq, position]),
    [
      ['match deleted', 3, { from: 0, to: null }],
      ['match created', 4, { from: null, to: 1 }],
    ],
  );
});
