import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failed } from '@polyedge/contracts/errors';
import type { Input } from '@polyedge/session/session';
import { errorCodes, found, type Out, ofKind, sent, talk, vertex, wrote } from '../../../test/graph-talk.ts';
import type { GraphFrame } from './codec.ts';

test('hiro:G6 create sends one operation with an id of HIRO 7 form and answers with the whole vertex', () => {
  const { send, input } = talk();
  const write = ofKind(
    send('{"id":"1","type":"create","headers":{"ogit/_type":"ogit/Note","waitForIndex":"true"},"body":{"ogit/name":"n","ogit/_xid":"x1"}}'),
    'mutate',
  );
  const { operations, origin, by, app } = write.request;
  const [operation] = operations;
  assert.ok(operation?.op === 'create');
  assert.match(operation.id ?? '', /^c[a-z0-9]{24}_c[a-z0-9]{24}$/);
  assert.deepEqual(
    { ...operation, id: '' },
    {
      op: 'create',
      type: 'ogit/Note',
      id: '',
      scope: 'scope1',
      attributes: { 'ogit/name': 'n' },
      xid: 'x1',
      unique: ['xid'],
    },
  );
  assert.deepEqual([write.tenant, write.defaultScope, by, app], ['acme', 'scope1', 'acc1', 'app1']);
  assert.deepEqual(origin, { protocol: 'hiro', way: 'socket', operation: 'create' });
  const [frame] = sent(input(wrote(write.id, vertex('v9'))));
  assert.ok(frame !== undefined && 'body' in frame);
  assert.equal(frame.id, '1');
});

test('two creates on one socket, or on two, never share an id', () => {
  const idOf = (effects: readonly Out[]): unknown => {
    const [operation] = ofKind(effects, 'mutate').request.operations;
    return operation !== undefined && 'id' in operation ? operation.id : undefined;
  };
  const create = (id: number): string => JSON.stringify({ id, type: 'create', headers: { 'ogit/_type': 'ogit/Note' }, body: {} });
  const one = talk();
  const other = talk({}, { nonce: 'f'.repeat(32) });
  assert.equal(new Set([idOf(one.send(create(1))), idOf(one.send(create(2))), idOf(other.send(create(1)))]).size, 3);
});

test('hiro:G7 update merges, null takes an attribute away', () => {
  const { send } = talk();
  const write = ofKind(send('{"id":1,"type":"update","headers":{"ogit/_id":"v1"},"body":{"ogit/name":"n","/a":null}}'), 'mutate');
  const [operation] = write.request.operations;
  assert.ok(operation?.op === 'update');
  assert.deepEqual(operation.target, { id: 'v1' });
  assert.deepEqual(operation.set, { 'ogit/name': 'n' });
  assert.deepEqual(operation.unset, ['/a']);
});

test('an update of a fixed attribute is rejected with 400, not 403', () => {
  const { send, input } = talk();
  const write = ofKind(send('{"id":1,"type":"update","headers":{"ogit/_id":"v1"},"body":{"ogit/_type":"ogit/Other"}}'), 'mutate');
  const look = ofKind(input({ kind: 'written', id: write.id, outcome: failed('not-allowed') }), 'request');
  assert.equal(look.unordered, true);
  assert.deepEqual(errorCodes(input(found(look.id, vertex('v1')))), [400]);
});

test('hiro:G20 adding to a list reads first, writes onto that version only, and holds back the writes behind it', () => {
  const { send, input } = talk();
  const effects = send('{"id":1,"type":"update","headers":{"ogit/_id":"v1"},"body":{"+/l":[{"value":"a"}]}}');
  let look = ofKind(effects, 'request');
  assert.deepEqual(send('{"id":2,"type":"update","headers":{"ogit/_id":"v1"},"body":{"/b":"1"}}'), []);
  for (const version of [3, 4]) {
    const write = ofKind(input(found(look.id, vertex('v1', { version }))), 'mutate');
    const [operation] = write.request.operations;
    assert.ok(operation?.op === 'update' && operation.version === version);
    look = ofKind(input({ kind: 'written', id: write.id, outcome: failed('conflict') }), 'request');
  }
  const write = ofKind(input(found(look.id, vertex('v1', { version: 5 }))), 'mutate');
  const done = input(wrote(write.id, vertex('v1', { version: 6 })));
  assert.deepEqual(
    done.map((effect) => effect.do),
    ['send', 'mutate'],
  );
});

test('hiro:G22 an edit of a list that loses every race is an 888', () => {
  const { send, input } = talk();
  let effects = send('{"id":1,"type":"update","headers":{"ogit/_id":"v1"},"body":{"+/l":[{"value":"a"}]}}');
  for (let attempts = 0; attempts < 4; attempts += 1) {
    const write = ofKind(input(found(ofKind(effects, 'request').id, vertex('v1'))), 'mutate');
    effects = input({ kind: 'written', id: write.id, outcome: failed('conflict') });
  }
  assert.deepEqual(errorCodes(effects), [888]);
});

test('hiro:G8 replace with createIfNotExists makes the vertex under the wanted id', () => {
  const { send } = talk();
  const write = ofKind(
    send('{"id":"1","type":"replace","headers":{"ogit/_id":"v1","createIfNotExists":"true","ogit/_type":"ogit/Note"},"body":{"/b":"1"}}'),
    'mutate',
  );
  const [operation] = write.request.operations;
  assert.ok(operation?.op === 'replace');
  assert.deepEqual(operation.attributes, { '/b': '1' });
  assert.deepEqual(operation.keep, ['ogit/_']);
  assert.deepEqual(operation.ifMissing, { type: 'ogit/Note', id: 'v1', scope: 'scope1', attributes: { '/b': '1' }, accounts: true });
  const plain = ofKind(send('{"id":"2","type":"replace","headers":{"ogit/_id":"v1"},"body":{"/b":"1"}}'), 'mutate').request.operations[0];
  assert.ok(plain?.op === 'replace' && plain.ifMissing === undefined);
});

test('hiro:G9 delete answers with the deleted element', () => {
  const { send, input } = talk();
  const write = ofKind(send('{"id":"1","type":"delete","headers":{"ogit/_id":"v1"},"body":{}}'), 'mutate');
  const [frame] = sent(input(wrote(write.id, vertex('v1', { deleted: true }))));
  assert.ok(frame !== undefined && 'body' in frame);
  assert.equal(JSON.stringify(frame.body).includes('"ogit/_is-deleted":true'), true);
});

test('hiro:G10 connect names verb, out and in; deleting an edge that was deleted is 409, one that never was 404', () => {
  const connected = ofKind(
    talk().send('{"id":"1","type":"connect","headers":{"ogit/_type":"ogit/relates"},"body":{"in":"i","out":"o"}}'),
    'mutate',
  );
  const [operation] = connected.request.operations;
  assert.ok(operation?.op === 'connect');
  assert.deepEqual([operation.out, operation.verb, operation.in], ['o', 'ogit/relates', 'i']);
  const codes = [vertex('o$$ogit/relates$$i', { kind: 'edge', deleted: true }), null].map((edge) => {
    const { send, input } = talk();
    const write = ofKind(send('{"id":"1","type":"delete","headers":{"ogit/_id":"o$$ogit/relates$$i"}}'), 'mutate');
    const look = ofKind(input({ kind: 'written', id: write.id, outcome: failed('not-found') }), 'request');
    return errorCodes(input(found(look.id, edge)))[0];
  });
  assert.deepEqual(codes, [409, 404]);
});

test('hiro:G11 me and getme answer with the account', () => {
  for (const type of ['me', 'getme']) {
    const { send, input } = talk();
    const ask = ofKind(send(JSON.stringify({ id: '1', type, headers: { profile: true, 'me-type': 'account' } })), 'request');
    assert.deepEqual(ask.call.body, { ids: ['acc1'], accounts: true });
    const account = vertex('acc1', { type: 'ogit/Auth/Account', attributes: { 'ogit/name': 'ann' } });
    const [frame] = sent(input(found(ask.id, account)));
    assert.ok(frame !== undefined && 'body' in frame);
    assert.match(JSON.stringify(frame.body), /"ogit\/_id":"acc1".*"ogit\/name":"ann"/);
    // A user of an outside provider, and one under whose id another protocol keeps something.
    for (const element of [null, vertex('acc1', { type: 'saga/User' })]) {
      const other = talk();
      const again = ofKind(other.send(JSON.stringify({ id: '1', type })), 'request');
      assert.match(JSON.stringify(sent(other.input(found(again.id, element)))), /"ogit\/_id":"acc1","ogit\/_type":"ogit\/Auth\/Account"/);
    }
  }
});

test('hiro:G13 a query by ids answers one item per frame, in the requested order, without missing ones', () => {
  const { send, input } = talk();
  const ask = ofKind(send('{"id":"1","type":"query","headers":{"type":"ids"},"body":{"query":"a,b,a"}}'), 'request');
  const frames = sent(input(found(ask.id, vertex('a'), null, vertex('a'))));
  assert.deepEqual(
    frames.map((frame) => ('multi' in frame ? [frame.id, frame.multi, frame.more, frame.body === null] : frame)),
    [
      ['1', true, true, false],
      ['1', true, true, false],
      ['1', true, false, true],
    ],
  );
});

test('hiro:G1 an empty list is one frame', () => {
  const { send, input } = talk();
  const ask = ofKind(send('{"id":"1","type":"query","headers":{"type":"xid"},"body":{"query":"x"}}'), 'request');
  assert.deepEqual(sent(input(found(ask.id))), [{ id: '1', multi: true, more: false, body: null }]);
});

test('hiro:G12 limit -1 is all: the next page is read when this one has been sent', () => {
  const { send, input } = talk();
  const first = ofKind(send('{"id":"1","type":"query","headers":{"type":"xid"},"body":{"query":"x","limit":-1}}'), 'request');
  const page = (id: string, cursor?: string): Input<GraphFrame> => ({
    kind: 'reply',
    id,
    outcome: { ok: true, value: { epoch: 'e', seq: 1, elements: [vertex('a')], ...(cursor === undefined ? {} : { cursor }) } },
  });
  const effects = input(page(first.id, 'c1'));
  assert.deepEqual(
    effects.map((effect) => effect.do),
    ['send', 'when-flushed'],
  );
  const second = ofKind(input({ kind: 'timer', name: ofKind(effects, 'when-flushed').name }), 'request');
  assert.deepEqual((second.call.body as { cursor?: string }).cursor, 'c1');
  const last = sent(input(page(second.id)));
  assert.deepEqual(
    last.map((frame) => 'more' in frame && frame.more),
    [true, false],
  );
});
