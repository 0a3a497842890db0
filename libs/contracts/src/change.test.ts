import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Json } from '@polyedge/query/json';
import fc from 'fast-check';
import { stateBefore, type Undo } from './change.ts';
import type { Element } from './element.ts';

const name = fc.constantFrom('a', 'b', '/c', 'ogit/name', '__proto__', 'constructor', 'toString', '');
const value: fc.Arbitrary<Json> = fc.oneof(
  fc.constant(null),
  fc.integer(),
  fc.string(),
  fc.array(fc.integer(), { maxLength: 2 }),
  fc.constant({ __proto__: null, x: 1 }),
);
// From JSON text, so that `__proto__` is an ordinary member, as in real messages.
const attributes = fc
  .uniqueArray(fc.tuple(name, value), { selector: ([key]) => key, maxLength: 6 })
  .map((pairs): Element['attributes'] =>
    JSON.parse(`{${pairs.map(([key, one]) => `${JSON.stringify(key)}:${JSON.stringify(one)}`).join(',')}}`),
  );
const stamp = fc.record({ on: fc.nat(), by: fc.string(), app: fc.string() });

const element: fc.Arbitrary<Element> = fc
  .record({
    scope: fc.constantFrom('s1', 's2'),
    type: fc.constantFrom('t1', 't2'),
    xid: fc.option(fc.constantFrom('x1', 'x2'), { nil: undefined }),
    attributes,
    version: fc.nat(),
    seq: fc.nat(),
    created: stamp,
    modified: stamp,
    deleted: fc.boolean(),
  })
  .map(({ xid, ...rest }) => ({ tenant: 'default', id: 'e-1', kind: 'vertex', ...rest, ...(xid === undefined ? {} : { xid }) }));

/** The definition of `Undo`, written directly. */
function undoOf(before: Element, after: Element): Undo {
  const changed = Object.entries(before.attributes).filter(
    ([key, old]) => !Object.hasOwn(after.attributes, key) || JSON.stringify(after.attributes[key]) !== JSON.stringify(old),
  );
  return {
    set: JSON.parse(`{${changed.map(([key, old]) => `${JSON.stringify(key)}:${JSON.stringify(old)}`).join(',')}}`),
    unset: Object.keys(after.attributes).filter((key) => !Object.hasOwn(before.attributes, key)),
    version: before.version,
    seq: before.seq,
    modified: before.modified,
    created: before.created,
    deleted: before.deleted,
    scope: before.scope,
    type: before.type,
    ...(before.xid === after.xid ? {} : { xid: before.xid ?? null }),
  };
}

const canonical = (one: Element | undefined): unknown =>
  one === undefined ? undefined : { ...one, attributes: Object.entries(one.attributes).sort(([left], [right]) => (left < right ? -1 : 1)) };

test('applying the undo gives exactly the state before, whatever the attributes are called', () => {
  fc.assert(
    fc.property(element, element, (before, after) => {
      assert.deepEqual(canonical(stateBefore(after, undoOf(before, after))), canonical(before));
    }),
  );
});

test('an element that did not exist has no state before, and neither argument is modified', () => {
  fc.assert(
    fc.property(element, element, (before, after) => {
      const text = JSON.stringify(after);
      assert.equal(stateBefore(after, { ...undoOf(before, after), fresh: true }), undefined);
      stateBefore(after, undoOf(before, after));
      assert.equal(JSON.stringify(after), text);
    }),
  );
});
