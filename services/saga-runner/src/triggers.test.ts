import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FullChange } from '@polyedge/contracts/change';
import type { JsonObject } from '@polyedge/query/json';
import { markOf, markText } from '@polyedge/saga/run-mark';
import { Chains } from './chains.ts';
import { mayFire, triggersOf } from './triggers.ts';

const stamp = { on: 1000, by: 'someone', app: 'saga' };

function change(type: string, attributes: JsonObject, over: Partial<FullChange> = {}): FullChange {
  const state = { tenant: 't', id: 'e1', kind: 'vertex', type, scope: 's', attributes, version: 1, seq: 7 } as const;
  return {
    ...{ seq: 7, epoch: 'e', tenant: 't', id: 'e1', kind: 'vertex', type, scope: 's', owners: [], action: 'create', version: 1, on: 1000 },
    ...{ by: 'someone', app: 'saga', origin: { protocol: 'saga', way: 'socket', operation: 'post' }, operationId: '', first: 7, last: 7 },
    state: { ...state, created: stamp, modified: stamp, deleted: false },
    undo: { fresh: true, set: {}, unset: [], version: 0, seq: 0, deleted: false },
    ...over,
  };
}

const property = { parent_type: 'user', parent_id: 'u1', name: 'score', value: 3 };
const paths = (of: FullChange): string[] => triggersOf(of).map(({ path, which }) => (which === '' ? path : `${path} ${which}`));

test('saga:22 a property fires its path, with the value as it was written and its parent as it is', () => {
  const [fired] = triggersOf(change('saga/Property', property));
  assert.equal(fired?.path, '/users/properties/score');
  assert.deepEqual(
    fired?.parameters.map((one) => ('value' in one ? (one.value as JsonObject).value : `${one.kind} ${one.id}`)),
    [3, 'user u1'],
  );
  assert.deepEqual(paths(change('saga/Property', { ...property, parent_type: 'globals', parent_id: 'saga-globals' })), [
    '/globals/properties/score',
  ]);
});

test('saga:22 a message fires sent once, and outgoing and incoming once per recipient, but not for its sender', () => {
  const message = { sender_type: 'User', sender_id: 'u1', user_ids: ['u1', 'u2'], bot_ids: ['b1'], body: 'x' };
  assert.deepEqual(paths(change('saga/Message', message)), [
    '/users/messages/sent',
    '/users/messages/outgoing u2',
    '/users/messages/incoming u2',
    '/users/messages/outgoing b1',
    '/bots/messages/incoming b1',
  ]);
  assert.deepEqual(paths(change('saga/Message', { ...message, user_ids: ['u1'], bot_ids: [] })), ['/users/messages/sent']);
  assert.deepEqual(paths(change('saga/Message', message, { action: 'update' })), []);
});

test('saga:22 a signal written through another protocol fires with the time of its change if its own is none', () => {
  const signal = { parent_type: 'user', parent_id: 'u1', name: 'round', value: 1 };
  for (const at of [9e15, -9e15, 'soon', null, 2500.5]) {
    const [fired] = triggersOf(change('saga/Signal', { ...signal, at }));
    assert.ok(fired !== undefined, String(at));
    const { created_at } = fired.context.signal as JsonObject;
    assert.equal(created_at, at === 2500.5 ? '1970-01-01T00:00:02.500Z' : '1970-01-01T00:00:01.000Z', String(at));
  }
});

test('saga:22 only paths with scripts are fired, and of a change whose type fires nothing no more than the type is read', () => {
  const message = { sender_type: 'User', sender_id: 'u1', user_ids: ['u2'], bot_ids: ['b1'], body: 'x' };
  const firedOf = (of: FullChange, path: string) => triggersOf(of, (asked) => asked === path).map((one) => one.path);
  assert.deepEqual(firedOf(change('saga/Message', message), '/bots/messages/incoming'), ['/bots/messages/incoming']);
  assert.deepEqual(firedOf(change('saga/Property', property), '/users/properties/score'), ['/users/properties/score']);
  assert.deepEqual(firedOf(change('saga/Property', property), '/users/properties/other'), []);
  assert.deepEqual(firedOf(change('saga/User', {}), '/users/events/create'), ['/users/events/create']);
  assert.deepEqual(firedOf(change('saga/User', {}), '/users/messages/sent'), []);
  assert.equal(mayFire(change('saga/Property', property)), true);
  const record = Object.defineProperty(change('saga/RunnableCall', {}), 'state', { get: () => assert.fail('it was parsed') });
  assert.equal(mayFire(record), false);
  assert.deepEqual(triggersOf(record), []);
  for (const type of ['constructor', '__proto__', 'toString']) assert.deepEqual(triggersOf(change(type, {})), []);
});

test('saga:22 deleted, quiet and unrelated changes fire nothing', () => {
  const deleted = change('saga/Property', property);
  assert.deepEqual(triggersOf({ ...deleted, state: { ...deleted.state, deleted: true } }), []);
  const mark = { call: 'c1', depth: 2, chain: 'x1', quiet: true, inlineParent: false };
  const origin = { protocol: 'saga', way: 'job', operation: markText(mark) } as const;
  assert.deepEqual(markOf(origin), mark);
  const both = { ...mark, inlineParent: true };
  assert.deepEqual(markOf({ ...origin, operation: markText(both) }), both);
  assert.deepEqual(triggersOf(change('saga/Property', property, { origin })), []);
  assert.deepEqual(paths(change('saga/Property', property, { origin: { ...origin, operation: markText({ ...mark, quiet: false }) } })), [
    '/users/properties/score',
  ]);
  // A client that names its operation like a run is no run.
  assert.equal(markOf({ protocol: 'saga', way: 'socket', operation: markText(mark) }), undefined);
  for (const type of ['saga/Bot', 'saga/RunnableCall', 'ogit/Note']) assert.deepEqual(triggersOf(change(type, property)), []);
});

test('saga:22 a chain ends at its depth and at its rate, and may continue when the time is over', () => {
  const chains = new Chains({ depth: 3, runs: 2, perMs: 1000 });
  assert.match(chains.problem('a', 4, 0) ?? '', /deeper than 3/);
  assert.deepEqual([chains.problem('a', 1, 0), chains.problem('a', 2, 10)], [undefined, undefined]);
  assert.match(chains.problem('a', 3, 20) ?? '', /more than 2 runs/);
  assert.deepEqual([chains.problem('b', 1, 20), chains.problem('a', 1, 1500)], [undefined, undefined]);
});
