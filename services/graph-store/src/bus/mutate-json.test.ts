import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { graphMutate } from '@polyedge/contracts/bus/graph';
import type { ReplyOf, RequestOf } from '@polyedge/contracts/channel';
import type { Element } from '@polyedge/contracts/element';
import type { JsonObject } from '@polyedge/query/json';
// Makes large integers JSON.
import '@polyedge/query/json-text';
import { knowJson, knownJson } from '../core/known-json.ts';
import { knowRequest, replyJson } from './mutate-json.ts';

const stamp = { on: 1, by: 'a', app: 'a' };
const element = (id: string, attributes: JsonObject): Element => ({
  ...{ tenant: 't', id, kind: 'vertex', type: 'T', scope: 's', attributes, version: 1, seq: 1 },
  ...{ created: stamp, modified: stamp, deleted: false },
});

test('a reply around known texts is the JSON of the reply', () => {
  // What a client may send that looks like what stands for a text, or for a match of a pattern.
  const values = ['"\\u0000"', '\\u0000', '"\\\\u0000"', '$&', "$'", 'ä€😀', 2n ** 70n];
  const large = values.map((value) => ({ value, filling: 'x'.repeat(20_000) }));
  const elements = large.flatMap((attributes, at) => [element(`${at}`, attributes), element(`small ${at}`, { value: values[at] ?? 0 })]);
  for (const attributes of large.slice(1)) knowJson(attributes, JSON.stringify(attributes));
  const reply: ReplyOf<typeof graphMutate> = {
    epoch: 'e',
    outcomes: [
      { ok: true, value: { first: 1, last: 1, operations: [{ elements }] } },
      { ok: false, failure: { code: 'conflict' } },
    ],
  };
  assert.equal(replyJson(reply), JSON.stringify(reply));
});

test('the text of a request is what stands for it in its message, and only of one that came alone', () => {
  const request = { operationId: 'o', by: 'b', operations: [{ filling: ']}'.repeat(20_000) }] };
  for (const requests of [[request], [request, request]]) {
    const text = JSON.stringify({ defaultScope: 's"', requests });
    const message = JSON.parse(text) as RequestOf<typeof graphMutate>;
    knowRequest(message, text);
    const [first] = message.requests;
    assert.equal(first && knownJson(first), requests.length === 1 ? JSON.stringify(request) : undefined);
  }
});
