import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '@polyedge/query/json';
import type { MutationRequest, MutationResult, Operation } from './bus/graph.ts';
import { omitGiven, restoreGiven } from './given-attributes.ts';

const stamp = { on: 1, by: 'a', app: 'a' };
const requestOf = (...operations: Operation[]): MutationRequest => ({
  ...{ operationId: '0'.repeat(32), by: 'a', app: 'a', origin: { protocol: 'hiro', way: 'socket', operation: 'update' } },
  operations,
});
const resultOf = (...attributes: JsonObject[]): MutationResult => ({
  first: 1,
  last: attributes.length,
  operations: attributes.map((each, at) => ({
    elements: [
      {
        ...{ tenant: 't', id: `${at}`, kind: 'vertex', type: 'T', scope: 's', attributes: each, version: 1, seq: at + 1 },
        ...{ created: stamp, modified: stamp, deleted: false },
      },
    ],
  })),
});
/** An object with an own property of this name. */
const ownProto: JsonObject = JSON.parse('{"__proto__":"own","text":"given"}');
const target = { id: 'a' };

test('what the caller gave is not sent back, and is there again when it has put it back', () => {
  const list = [1, 2n ** 70n];
  const request = requestOf(
    { op: 'create', type: 'T', attributes: { text: 'given' } },
    { op: 'update', target, set: ownProto },
    { op: 'apply', target, attribute: 'n', operator: 'incr', value: 1, set: { list } },
    { op: 'connect', out: 'a', verb: 'v', in: 'b' },
  );
  const result = resultOf({ text: 'given' }, { before: 1, ...ownProto }, { n: 2, list }, { kept: 1 });
  const omitted = omitGiven(request, result);
  assert.deepEqual(
    omitted.operations.map(({ elements: [element] }) => element?.attributes),
    [{}, { before: 1 }, { n: 2 }, { kept: 1 }],
  );
  // What travels is JSON.
  const plain = (value: MutationResult) => JSON.stringify(value, (_name, part) => (typeof part === 'bigint' ? `${part}` : part));
  assert.equal(plain(restoreGiven(request, JSON.parse(plain(omitted)))), plain(result));
});

test('an element that does not have the given values afterwards is sent whole', () => {
  const given: Operation = { op: 'update', target, set: { text: 'given', other: 1 } };
  for (const attributes of [{ text: 'given' }, { text: 'given', other: 2 }, { text: 'put inside', other: 1 }]) {
    const result = resultOf(attributes);
    const omitted = omitGiven(requestOf({ ...given, unset: ['other'] }), result);
    assert.deepEqual(omitted, result);
    assert.equal(restoreGiven(requestOf(given), omitted), omitted);
  }
});
