import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Action, FullChange } from '@polyedge/contracts/change';
import { changeText, StoredChange } from '@polyedge/contracts/change-text';
import type { Element } from '@polyedge/contracts/element';
import { parseOwnJson } from '@polyedge/query/json-text';
import { compile } from '@polyedge/query/predicate';
import fc from 'fast-check';
import { sampleChange, sampleElement } from '../../../test/sample-element.ts';
import { EVENT_TYPES, eventDocument, toEvent } from '../element/event.ts';
import { compileJfilter } from '../jfilter/jfilter.ts';
import { spliceEvent } from './spliced-event.ts';

// What stands in JSON text with an escape, or would be taken for its structure.
const awkward = fc.constantFrom(
  '"',
  '\\',
  '\\"',
  '","id":"',
  '},"undo":{',
  'a\nb',
  'é',
  '\u2028',
  '😀',
  'plain',
  '',
  '{}',
  '"attributes":{',
);
const text = fc.oneof(fc.string(), awkward);
const name = fc.oneof(
  fc.constantFrom('ogit/name', '/n', 'a"b', 'attributes', 'undo', '__proto__', 'toString', '7', '07', ''),
  fc.constantFrom('ogit/_owner', 'ogit/_id', 'ogit/_size', 'hiro/lists'),
  fc.string(),
);
const value = fc.oneof(
  { weight: 6, arbitrary: text },
  {
    weight: 1,
    arbitrary: fc.oneof(
      fc.integer(),
      fc.bigInt({ min: 2n ** 60n, max: 2n ** 70n }),
      fc.constant(null),
      fc.array(fc.string(), { maxLength: 2 }),
    ),
  },
);
// From JSON text, so that `__proto__` is an ordinary member, as in real messages.
const attributes = fc.uniqueArray(fc.tuple(name, value), { selector: ([key]) => key, maxLength: 4 }).map((pairs) => {
  const members = pairs.map(([key, one]) => `${JSON.stringify(key)}:${typeof one === 'bigint' ? String(one) : JSON.stringify(one)}`);
  return parseOwnJson(`{${members.join(',')}}`) as Element['attributes']; // of the line above
});
const number = fc.oneof(fc.nat(), fc.constantFrom(0, -1, 1.5, 1e-7, Number.MAX_SAFE_INTEGER));
const stamp = fc.record({ on: fc.oneof({ weight: 5, arbitrary: fc.nat() }, number), by: text, app: text }, { noNullPrototype: true });
const ends = fc.option(fc.record({ out: text, in: text, outType: text, inType: text }), { nil: undefined });
const element = fc
  .record({
    ...{ id: text, type: text, scope: fc.oneof(text, fc.constant('system')), attributes, version: fc.nat(), seq: fc.nat() },
    ...{ created: stamp, modified: stamp, deleted: fc.boolean() },
    ends,
    xid: fc.option(text, { nil: undefined }),
  })
  .map(({ ends: both, xid, ...rest }) =>
    sampleElement({ ...rest, ...both, kind: both === undefined ? 'vertex' : 'edge', ...(xid === undefined ? {} : { xid }) }),
  );
const action = fc.constantFrom(...(Object.keys(EVENT_TYPES) as Action[]));
const change = fc
  .tuple(element, action, attributes)
  .map(([state, did, set]) => sampleChange(state, did, { set, unset: ['a'], version: 1, seq: 1, deleted: false }));

function stored(of: FullChange): StoredChange {
  const read = StoredChange.read(changeText(of));
  assert.ok(read !== undefined, 'what we write can be read');
  return read;
}

test('the text of a change is its JSON, and parsing it gives the change', () => {
  fc.assert(
    fc.property(change, (one) => {
      const { state, ...rest } = one;
      const whole = stored(one);
      assert.deepEqual(parseOwnJson(changeText(one)), one);
      assert.deepEqual(whole.attributes, state.attributes);
      assert.deepEqual(whole.state, state);
      for (const [field, wanted] of Object.entries(rest)) assert.deepEqual(Reflect.get(whole, field), wanted, field);
      for (const [field, wanted] of Object.entries(state)) assert.deepEqual(Reflect.get(whole, field), wanted, field);
    }),
  );
});

test('an event that is put together from text is the same to the letter as one that is translated', () => {
  let spliced = 0;
  fc.assert(
    fc.property(change, (one) => {
      const text = spliceEvent(stored(one));
      if (text === undefined) return;
      spliced += 1;
      assert.equal(text, JSON.stringify(toEvent(one, { delta: false })));
    }),
    { numRuns: 500 },
  );
  assert.ok(spliced > 50, `most are translated: ${spliced}`);
});

test('an ordinary vertex and an ordinary edge need no parse of their attributes', () => {
  const edge = { kind: 'edge', out: 'a', in: 'b', outType: 't', inType: 'u', attributes: {} } as const;
  for (const state of [sampleElement(), sampleElement({ attributes: {}, xid: 'x' }), sampleElement({ ...edge, deleted: true })]) {
    const one = sampleChange(state, 'update');
    assert.equal(spliceEvent(stored(one)), JSON.stringify(toEvent(one, { delta: false })));
  }
});

test('a filter gives the same result for stored text and for the change', () => {
  const filters = [
    '(action = update)',
    '(element.ogit/name = a)',
    '(element.ogit/_type = plain)',
    '(element.ogit/_owner = plain)',
    '(element./n = 5)',
  ].map((one) => {
    const filter = compileJfilter(one, { tenant: 'acme' });
    assert.ok(filter.ok);
    return compile(filter.value);
  });
  fc.assert(
    fc.property(change, (one) => {
      for (const matches of filters) assert.equal(matches(eventDocument(stored(one))), matches(eventDocument(one)));
    }),
  );
});

test('text in another order is not taken for a stored change, or is translated', () => {
  const one = sampleChange(sampleElement(), 'update');
  const text = changeText(one);
  assert.equal(StoredChange.read(JSON.stringify(one)), undefined);
  const reordered = StoredChange.read(text.replace('"kind":"vertex","type":"ogit/Question"', '"type":"ogit/Question","kind":"vertex"'));
  assert.equal(reordered?.type, 'ogit/Question');
  assert.equal(spliceEvent(reordered), undefined);
  assert.deepEqual(toEvent(reordered, { delta: false }), toEvent(one, { delta: false }));
});
