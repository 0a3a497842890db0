import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Undo } from '@polyedge/contracts/change';
import type { Element } from '@polyedge/contracts/element';
import type { Json, JsonObject } from '@polyedge/query/json';
import fc from 'fast-check';
import { FRESH, sampleChange, sampleElement } from '../../../test/sample-element.ts';
import { toEvent } from './event.ts';
import { toVertex } from './vertex.ts';

/** What has to be put back to get from one state to the one before it, as graph-store records it. */
function undoOf(before: Element, after: Element): Undo {
  const set = Object.fromEntries(Object.entries(before.attributes).filter(([name, value]) => after.attributes[name] !== value));
  const unset = Object.keys(after.attributes).filter((name) => !Object.hasOwn(before.attributes, name));
  return { set, unset, version: before.version, seq: before.seq, modified: before.modified, deleted: before.deleted };
}

test('an event has exactly the documented keys, in the documented order', () => {
  const state = sampleElement();
  const event = toEvent(sampleChange(state, 'create'), { delta: false });
  assert.deepEqual(event, {
    id: 'v1',
    body: toVertex(state),
    metadata: { 'ogit/_modified-by': 'bob', 'ogit/_modified-by-app': 'app2', 'ogit/_modified-on': 1502437236523 },
    nanotime: 7,
    timestamp: 1502437236523,
    type: 'CREATE',
  });
  assert.deepEqual(Object.keys(event ?? {}), ['id', 'body', 'metadata', 'nanotime', 'timestamp', 'type']);
  assert.equal(toEvent(sampleChange(state, 'create'), { delta: false, legacy: true })?.identity, 'bob');
});

test('every action has its event type', () => {
  const actions = ['create', 'update', 'replace', 'delete', 'connect', 'disconnect', 'write-values', 'write-blob', 'delete-blob'] as const;
  const types = actions.map((action) => toEvent(sampleChange(sampleElement(), action), { delta: false })?.type);
  assert.equal(types.join(' '), 'CREATE UPDATE REPLACE DELETE CONNECT DISCONNECT WRITE_TIMESERIES WRITE_BLOB DELETE_BLOB');
});

test('changes of the system scope are never shown', () => {
  assert.equal(toEvent(sampleChange(sampleElement({ scope: 'system' }), 'update'), { delta: false }), undefined);
});

test('hiro:E6 a delta shows what a create added, an update changed, added and removed, and a delete changed', () => {
  const created = sampleElement({ attributes: { 'ogit/firstName': 'a', 'ogit/email': 'b', 'ogit/same': 'c' } });
  const create = toEvent(sampleChange(created, 'create'), { delta: true });
  assert.deepEqual(create?.body, Object.fromEntries(Object.entries(toVertex(created)).map(([name, value]) => [`+${name}`, value])));

  const modified = { on: 1502437236600, by: 'carol', app: 'app2' };
  const updated: Element = {
    ...created,
    attributes: { 'ogit/email': 'x', 'ogit/same': 'c', 'ogit/lastName': 'z' },
    ...{ version: 2, seq: 8, modified },
  };
  const update = toEvent(sampleChange(updated, 'update', undoOf(created, updated)), { delta: true });
  assert.deepEqual(update?.body, {
    '=ogit/_v': 2,
    '=ogit/_v-id': toVertex(updated)['ogit/_v-id'],
    '=ogit/_modified-on': 1502437236600,
    '=ogit/_modified-by': 'carol',
    '=ogit/email': 'x',
    '+ogit/lastName': 'z',
    '-ogit/firstName': 'a',
  });
  assert.equal(update?.id, 'v1');
  assert.equal(update?.type, 'UPDATE');

  const deleted: Element = { ...updated, deleted: true, version: 3, seq: 9, modified: { ...modified, on: 1502437236700 } };
  const remove = toEvent(sampleChange(deleted, 'delete', undoOf(updated, deleted)), { delta: true });
  assert.deepEqual(remove?.body, {
    '=ogit/_v': 3,
    '=ogit/_v-id': toVertex(deleted)['ogit/_v-id'],
    '=ogit/_modified-on': 1502437236700,
    '=ogit/_is-deleted': true,
    '+ogit/_deleted-on': 1502437236700,
    '+ogit/_deleted-by': 'carol',
    '+ogit/_deleted-by-app': 'app2',
  });
});

const attributes: fc.Arbitrary<JsonObject> = fc.dictionary(
  fc.constantFrom('ogit/name', '/a', '/b', '/c', '__proto__', '+x'),
  fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null), fc.constant(['x', 'y']), fc.constant({ a: 1 })),
);

test('hiro:E6 folding the deltas of any history gives the body of its last event', () => {
  fc.assert(
    fc.property(fc.array(fc.record({ attributes, deleted: fc.boolean() }), { minLength: 1, maxLength: 8 }), (states) => {
      const body = new Map<string, Json>();
      let before: Element | undefined;
      for (const [at, state] of states.entries()) {
        const modified = { on: 1000 + at, by: 'bob', app: 'app' };
        const after = sampleElement({ ...state, version: at + 1, seq: at + 1, modified });
        const change = sampleChange(
          after,
          before === undefined ? 'create' : 'replace',
          before === undefined ? FRESH : undoOf(before, after),
        );
        for (const [key, value] of Object.entries(toEvent(change, { delta: true })?.body ?? {})) {
          const name = key.slice(1);
          if (key.startsWith('+')) assert.equal(body.has(name), false);
          else assert.equal(body.has(name), true);
          if (key.startsWith('-')) body.delete(name);
          else body.set(name, value);
        }
        assert.deepEqual(Object.fromEntries(body), toEvent(change, { delta: false })?.body);
        before = after;
      }
    }),
  );
});

test('a delta in which the owner changes does not show removed values to the new owner', () => {
  const before = sampleElement({ attributes: { 'ogit/_owner': 'ann', '/secret': 'hidden', '/text': 'a' } });
  const after = sampleElement({ attributes: { 'ogit/_owner': 'bob', '/text': 'b' }, version: 2 });
  const { body } = toEvent(sampleChange(after, 'update', undoOf(before, after)), { delta: true }) ?? assert.fail();
  assert.deepEqual([body['-/secret'], body['=/text'], body['=ogit/_owner']], ['', 'b', 'bob']);
});
