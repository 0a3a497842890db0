import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '@polyedge/query/json';
import fc from 'fast-check';
import { sampleElement } from '../../../test/sample-element.ts';
import { LISTS } from './lists.ts';
import { toVertex, versionId } from './vertex.ts';

test('a vertex shows its system attributes and its own', () => {
  const element = sampleElement({ xid: 'x1', version: 3 });
  assert.deepEqual(toVertex(element), {
    'ogit/_id': 'v1',
    'ogit/_type': 'ogit/Question',
    'ogit/_graphtype': 'vertex',
    'ogit/_xid': 'x1',
    'ogit/_v': 3,
    'ogit/_v-id': versionId(element),
    'ogit/_created-on': 1000,
    'ogit/_creator': 'alice',
    'ogit/_creator-app': 'app1',
    'ogit/_modified-on': 1502437236523,
    'ogit/_modified-by': 'bob',
    'ogit/_modified-by-app': 'app2',
    'ogit/_owner': 'alice',
    'ogit/_organization': 'acme',
    'ogit/_scope': 's1',
    'ogit/_is-deleted': false,
    'ogit/name': 'My name',
  });
});

test('an edge shows its ends, a deleted element when and by whom it was deleted', () => {
  const ends = { out: 'a', in: 'b', outType: 'ogit/Note', inType: 'ogit/Question' };
  const shown = toVertex(sampleElement({ kind: 'edge', id: 'a$$ogit/relates$$b', type: 'ogit/relates', deleted: true, ...ends }));
  assert.equal(shown['ogit/_id'], 'a$$ogit/relates$$b');
  assert.equal(shown['ogit/_edge-id'], 'a$$ogit/relates$$b');
  assert.equal(shown['ogit/_type'], 'ogit/relates');
  assert.equal(shown['ogit/_graphtype'], 'edge');
  assert.deepEqual(
    ['ogit/_out-id', 'ogit/_in-id', 'ogit/_out-type', 'ogit/_in-type'].map((name) => shown[name]),
    ['a', 'b', 'ogit/Note', 'ogit/Question'],
  );
  assert.equal(shown['ogit/_is-deleted'], true);
  assert.equal(shown['ogit/_deleted-on'], 1502437236523);
  assert.equal(shown['ogit/_deleted-by'], 'bob');
  assert.equal(shown['ogit/_deleted-by-app'], 'app2');
});

test('what other protocols wrote shows as strings, objects and lists as JSON text', () => {
  const attributes: JsonObject = {
    n: 1.5,
    t: true,
    z: null,
    o: { a: [1] },
    l: ['x', 2],
    id: 'own',
    'ogit/_id': 'false',
    'ogit/_c-size': 12,
  };
  const shown = toVertex(sampleElement({ attributes }));
  assert.equal(shown.n, '1.5');
  assert.equal(shown.t, 'true');
  assert.equal('z' in shown, false);
  assert.equal(shown.o, '{"a":[1]}');
  assert.equal(shown.l, '["x",2]');
  assert.equal(shown.id, 'own');
  assert.equal(shown['ogit/_id'], 'v1');
  assert.equal(shown['ogit/_c-size'], 12);
});

test('fields leave out everything else but id and type', () => {
  const element = sampleElement({ attributes: { 'ogit/name': 'n', '/a': '1', '/b': '2' } });
  assert.deepEqual(toVertex(element, { fields: ['/a', '/none', 'ogit/_v'] }), {
    'ogit/_id': 'v1',
    'ogit/_type': 'ogit/Question',
    'ogit/_v': 1,
    '/a': '1',
  });
});

test('lists show as JSON text, with listMeta as items with time and key', () => {
  const kept = [
    { value: 'a', created: 5, key: 'k' },
    { value: 'old', created: 6 },
  ];
  const element = sampleElement({ attributes: { '/l': ['a', 'b'], '/single': 'x', [LISTS]: { '/l': kept, '/single': [] } } });
  assert.equal(toVertex(element)['/l'], '["a","b"]');
  assert.equal(LISTS in toVertex(element), false);
  const shown = toVertex(element, { listMeta: true });
  assert.deepEqual(shown['/l'], [
    { value: 'a', created: 5, key: 'k' },
    { value: 'b', created: 1502437236523 },
  ]);
  // A plain write to a list attribute makes it a list of one.
  assert.equal(toVertex(element)['/single'], '["x"]');
  assert.deepEqual(shown['/single'], [{ value: 'x', created: 1502437236523 }]);
});

test('version ids have their form, depend on id and version and nothing else', () => {
  fc.assert(
    fc.property(fc.string(), fc.nat(), fc.nat(), (id, version, on) => {
      const modified = { on };
      const name = versionId({ id, version, modified });
      assert.match(name, /^[0-9]+-[A-Za-z0-9]{6}$/);
      assert.notEqual(name, versionId({ id, version: version + 1, modified }));
    }),
  );
});

test('version ids stay the same from one release to the next, since clients keep them', () => {
  const known: readonly (readonly [id: string, version: number, on: number, name: string])[] = [
    ['n1', 1, 0, '0-TZAY93'],
    // Its hash is above 62^6.
    ['n1', 12, 1000, '1000-qfvG4C'],
    ['', 0, 5, '5-7SrBOY'],
    ['cju16o7cf0000mz77pbwbhl3q_cjix82tev000ou473gko8jgey', 12, 1_502_437_236_523, '1502437236523-gelJEN'],
    ['ä😀$$x', 2 ** 40, 1_764_529_000_000, '1764529000000-NI9iOs'],
  ];
  for (const [id, version, on, name] of known) assert.equal(versionId({ id, version, modified: { on } }), name);
});

test('every attribute that is stored is shown, whatever its name', () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.oneof(fc.string(), fc.constantFrom('__proto__', 'constructor', 'toString')), fc.string()),
      (attributes) => {
        const shown = toVertex(sampleElement({ attributes }));
        for (const [name, value] of Object.entries(attributes))
          assert.equal(Object.entries(shown).find(([key]) => key === name)?.[1], value);
      },
    ),
  );
});
