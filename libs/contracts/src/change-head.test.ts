import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseOwnJson } from '@polyedge/query/json-text';
import fc from 'fast-check';
import type { Action, FullChange } from './change.ts';
import { beginningOf, type ChangeParts, headOf } from './change-head.ts';
import { changeText, StoredChange } from './change-text.ts';
import type { Element } from './element.ts';

// What stands in JSON with an escape, or would be taken for its structure.
const AWKWARD = ['"', '\\', '\\\\"', '","id":"', '},"attributes":{', 'a\nb\u0000', 'é', '\u2028', '😀', '\ud800', '', ' ', '\\u0041'];
const text = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom(...AWKWARD), fc.constant('plain'));
/** Numbers that JSON writes in each of its forms. */
const number = fc.oneof(
  { weight: 9, arbitrary: fc.nat() },
  { weight: 1, arbitrary: fc.constantFrom(0, -1, 1.5, 1e21, 1e-7, 1e300, 999_999_999_999_999, Number.MAX_SAFE_INTEGER, -1e21) },
);
const stamp = fc.record({ on: number, by: text, app: text });
const optional = fc.option(text, { nil: undefined });
const ACTIONS = 'create update replace delete connect disconnect write-values write-blob delete-blob'.split(' ') as Action[];
const attributes = fc.dictionary(text, fc.oneof(text, fc.jsonValue() as fc.Arbitrary<string>), { maxKeys: 3, noNullPrototype: true });

const change: fc.Arbitrary<FullChange> = fc
  .record({
    ...{ id: text, kind: fc.constantFrom('vertex', 'edge'), type: text, scope: text, attributes, version: number, seq: number },
    ...{ created: stamp, modified: stamp, deleted: fc.boolean(), tenant: fc.constantFrom('acme', '', 'é😀') },
    ...{ xid: optional, out: optional, in: optional, outType: optional, inType: optional },
    ...{ action: fc.constantFrom(...ACTIONS), at: fc.nat(), on: number },
  })
  .map(({ action, at, on, ...members }) => {
    // Fields without a value are absent.
    const state = JSON.parse(JSON.stringify(members)) as Element;
    const { id, kind, type, scope, version, tenant } = state;
    const undo = { set: {}, unset: [], version: 1, seq: 1, deleted: false };
    const origin = { protocol: 'hiro', way: 'socket', operation: action } as const;
    const from = { epoch: 'e', by: 'b', app: 'a', origin, operationId: 'o', first: at, last: at, owners: [] };
    return { ...from, seq: at, tenant, id, kind, type, scope, action, version, on, state, undo };
  });

function partsOf(json: string): ChangeParts {
  const beginning = beginningOf(json);
  assert.ok(beginning !== undefined);
  return headOf(json, beginning.end);
}

/** The same change as a text that the regular expression does not match. */
const spaced = (json: string): string => json.replace(',"action":', ', "action":');
const withoutPlace = ({ attributesAt: _, ...parts }: ChangeParts) => parts;

test('the regular expression and the parser give the same parts, and most heads need no parser', () => {
  let matched = 0;
  let runs = 0;
  fc.assert(
    fc.property(change, (one) => {
      const json = changeText(one);
      const [parts, parsed] = [partsOf(json), partsOf(spaced(json))];
      assert.deepEqual(withoutPlace(parts), withoutPlace(parsed));
      assert.equal(parsed.attributesAt, undefined);
      runs += 1;
      if (parts.attributesAt === undefined) return;
      matched += 1;
      assert.ok(json.startsWith(JSON.stringify(one.state.attributes), parts.attributesAt));
    }),
    { numRuns: 1000 },
  );
  assert.ok(matched > runs / 3, `${matched} of ${runs} heads matched`);
});

test('a change has the same fields, whichever of the two has read it', () => {
  fc.assert(
    fc.property(change, (one) => {
      for (const json of [changeText(one), spaced(changeText(one))]) {
        const stored = StoredChange.read(json);
        assert.ok(stored !== undefined);
        const { state, undo: _, ...fields } = JSON.parse(json) as FullChange;
        const { seq: __, attributes: read, ...members } = state;
        for (const [name, value] of Object.entries({ ...fields, ...members })) assert.deepEqual(Reflect.get(stored, name), value, name);
        // Large integers of attributes are exact.
        assert.deepEqual(stored.attributes, parseOwnJson(JSON.stringify(read)));
      }
    }),
    { numRuns: 300 },
  );
});

test('each part that differs is found', () => {
  const stampOf = (by: string) => ({ on: 5, by, app: `${by}-app` });
  const state: Element = {
    ...{ tenant: 'acme', id: 'v1', kind: 'edge', type: 't', scope: 's', xid: 'x', attributes: { a: 'b' }, version: 3, seq: 9 },
    ...{ created: stampOf('c'), modified: stampOf('m'), deleted: false, out: 'o', in: 'i', outType: 'ot', inType: 'it' },
  };
  const one = { seq: 9, tenant: 'acme', action: 'update', on: 7, state, undo: {} } as unknown as FullChange;
  const json = changeText(one);
  const parts = partsOf(json);
  assert.ok(parts.attributesAt !== undefined);
  for (const [name, part] of Object.entries(withoutPlace(parts))) {
    // Another text in place of the last place of the part in the head.
    const head = json.slice(0, parts.attributesAt);
    const at = head.lastIndexOf(`:${part}`) + 1;
    const other = part === 'false' ? 'true' : part?.startsWith('"') === true ? '"other"' : '8';
    const planted = `${head.slice(0, at)}${other}${json.slice(at + String(part).length)}`;
    for (const text of [planted, spaced(planted)])
      assert.throws(() => assert.deepEqual(withoutPlace(partsOf(text)), withoutPlace(parts)), name);
  }
});

test('a member that this version does not know, or another order of members, is read by the parser', () => {
  const state = { tenant: 'acme', id: 'v1', kind: 'vertex', type: 't', scope: 's', attributes: { a: 'b' }, version: 3, seq: 9 };
  const stamps = { created: { on: 1, by: 'c', app: 'ca' }, modified: { on: 2, by: 'm', app: 'ma' }, deleted: false };
  const one = { seq: 9, tenant: 'acme', action: 'update', on: 7, state: { ...state, ...stamps }, undo: {} } as unknown as FullChange;
  const json = changeText(one);
  const known = withoutPlace(partsOf(json));
  const others = [
    json.replace('"kind":"vertex","type":"t"', '"type":"t","kind":"vertex"'),
    json.replace(',"deleted":', ',"moved":{"on":1},"deleted":'),
    json.replace('"on":7', '"on": 7'),
    JSON.stringify(one),
  ];
  for (const other of others) {
    assert.deepEqual(withoutPlace(partsOf(other)), known);
    assert.equal(StoredChange.read(other)?.textAttributes, undefined);
    assert.deepEqual(StoredChange.read(other)?.attributes, { a: 'b' });
  }
  assert.equal(StoredChange.read(JSON.stringify(Object.assign({ epoch: 'e' }, one))), undefined);
  assert.throws(() => partsOf(json.slice(0, 60)), /damaged/);
});
