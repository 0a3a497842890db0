import assert from 'node:assert/strict';
import { test } from 'node:test';
import { graphGet } from '@polyedge/contracts/bus/graph';
import type { Element } from '@polyedge/contracts/element';
import { type ErrorCode, failed } from '@polyedge/contracts/errors';
import { type GraphResponse, graphResponse } from '@polyedge/contracts/wire/hiro';
import type { Effect, Input, Opening } from '@polyedge/session/session';
import fc from 'fast-check';
import { NOW, samplePrincipal } from '../../../test/sample-principal.ts';
import { graphProtocol } from '../protocol.ts';
import { decodeGraph, type GraphFrame } from './codec.ts';
import type { GraphSettings } from './session.ts';

const someone = samplePrincipal();

const opening: Opening = {
  credential: { ok: true, value: someone },
  path: '/api/graph-ws/6.1/',
  query: {},
  address: '10.0.0.1',
  nonce: '0123456789abcdef0123456789abcdef',
  at: NOW,
};

type Out = Effect<GraphResponse>;

/** A conversation: what goes in as text, what comes out as effects. */
function talk(over: Partial<GraphSettings> = {}, from: Partial<Opening> = {}) {
  const protocol = graphProtocol({ maxInFlight: 64, tokenGraceMs: 10_000, names: 'lenient', ...over });
  const [session, first] = protocol.open({ ...opening, ...from });
  const input = (given: Input<GraphFrame>, at = NOW): readonly Out[] => {
    const effects = session.handle(given, at);
    for (const effect of effects) {
      if (effect.do === 'send') assert.ok(graphResponse.test(effect.frame), JSON.stringify(effect.frame));
    }
    return effects;
  };
  return {
    first,
    input,
    send: (text: string, at = NOW) => {
      const decoded = protocol.decode(text);
      return input(decoded.ok ? { kind: 'frame', frame: decoded.value } : { kind: 'undecodable', problem: decoded.problem }, at);
    },
  };
}

const sent = (effects: readonly Out[]): readonly GraphResponse[] =>
  effects.flatMap((effect) => (effect.do === 'send' ? [effect.frame] : []));
const ofKind = <Do extends Out['do']>(effects: readonly Out[], kind: Do): Extract<Out, { do: Do }> => {
  const found = effects.find((effect): effect is Extract<Out, { do: Do }> => effect.do === kind);
  assert.ok(found, `no ${kind} in ${JSON.stringify(effects)}`);
  return found;
};
const ids = (effects: readonly Out[]): unknown[] => sent(effects).map((frame) => ('id' in frame ? frame.id : undefined));
const errorCodes = (effects: readonly Out[]): unknown[] => sent(effects).flatMap((frame) => ('error' in frame ? [frame.error.code] : []));
const get = (id: unknown, more: object = {}): string =>
  JSON.stringify({ id, type: 'get', headers: { 'ogit/_id': 'v1' }, body: {}, ...more });

function vertex(id: string, over: Partial<Element> = {}): Element {
  const stamp = { on: NOW, by: 'acc1', app: 'app1' };
  return {
    tenant: 'acme',
    id,
    kind: 'vertex',
    type: 'ogit/Note',
    scope: 'scope1',
    attributes: { 'ogit/name': id },
    version: 1,
    seq: 1,
    created: stamp,
    modified: stamp,
    deleted: false,
    ...over,
  };
}

const found = (id: string, ...elements: (Element | null)[]): Input<GraphFrame> => ({
  kind: 'reply',
  id,
  outcome: { ok: true, value: { epoch: 'e', seq: 1, elements } },
});
const wrote = (id: string, element: Element): Input<GraphFrame> => ({
  kind: 'written',
  id,
  outcome: { ok: true, value: { first: 1, last: 1, operations: [{ elements: [element] }] } },
});

test('hiro:G1 hiro:G5 a get becomes one question to the store and its reply goes back under the same id', () => {
  const { send, input } = talk();
  const ask = ofKind(send(get('7')), 'request');
  assert.equal(ask.call.subject, graphGet.subject({ tenant: 'acme' }));
  assert.deepEqual(ask.call.body, { ids: ['v1'], includeDeleted: false, accounts: true });
  const [frame] = sent(input(found(ask.id, vertex('v1'))));
  assert.ok(frame !== undefined && 'body' in frame);
  assert.deepEqual(Object.keys(frame), ['id', 'multi', 'more', 'body']);
  assert.deepEqual({ ...frame, body: undefined }, { id: '7', multi: false, more: false, body: undefined });
});

test('hiro:G2 an id is echoed with its type, and "7" and 7 are two requests', () => {
  const { send, input } = talk();
  const text = ofKind(send(get('7')), 'request');
  const number = ofKind(send(get(7)), 'request');
  assert.deepEqual(ids(input(found(number.id, vertex('v1')))), [7]);
  assert.deepEqual(ids(input(found(text.id, vertex('v1')))), ['7']);
});

test('hiro:G3 answers of requests in flight may come in any order', () => {
  const { send, input } = talk();
  const asks = ['a', 'b', 'c'].map((id) => ofKind(send(get(id)), 'request').id);
  const answered = [...asks].reverse().flatMap((id) => ids(input(found(id, vertex('v1')))));
  assert.deepEqual(answered, ['c', 'b', 'a']);
});

test('a second request with an id in flight is refused and leaves the first alone', () => {
  const { send, input } = talk();
  const ask = ofKind(send(get('7')), 'request');
  assert.deepEqual(errorCodes(send(get('7'))), [400]);
  assert.deepEqual(ids(input(found(ask.id, vertex('v1')))), ['7']);
  ofKind(send(get('7')), 'request');
});

test('{} is ignored, anything else that is unusable gets a 400 under its id if it has one', () => {
  const { send } = talk();
  assert.deepEqual(send('{}'), []);
  assert.deepEqual(ids(send('{"id":3}')), [3]);
  assert.deepEqual(errorCodes(send('{"id":3}')), [400]);
  for (const bad of ['', 'x', '[]', '"a"', 'null', '{"type":"get"}', '{"id":{},"type":"get"}', '{"id":null,"type":"get"}']) {
    const [frame, ...more] = sent(send(bad));
    assert.deepEqual(more, []);
    assert.ok(frame !== undefined && 'error' in frame && !('id' in frame));
    assert.equal(frame.error.code, 400);
  }
});

test('an unknown type is a 400 that names it', () => {
  const [frame] = sent(talk().send('{"id":"1","type":"disconnect"}'));
  assert.deepEqual(frame, { id: '1', error: { code: 400, message: 'unknown type "disconnect"' } });
});

test('hiro:G4 parameters are read from headers first and then from the body, as booleans, numbers or texts', () => {
  for (const parameters of [
    { headers: { 'ogit/_id': 'v1', includeDeleted: true }, body: {} },
    { headers: { 'ogit/_id': 'v1', includeDeleted: 'true' } },
    { headers: {}, body: { 'ogit/_id': 'v1', includeDeleted: true } },
    { body: { 'ogit/_id': 'v1', include_deleted: 'true' } },
    { headers: { 'ogit/_id': 'v1' }, body: { 'ogit/_id': 'v2', includeDeleted: true } },
    { headers: null, body: { 'ogit/_id': 'v1', includeDeleted: 'true', vid: false, fields: [] } },
  ]) {
    const ask = ofKind(talk().send(JSON.stringify({ id: 1, type: 'get', ...parameters })), 'request');
    assert.deepEqual(ask.call.body, { ids: ['v1'], includeDeleted: true, accounts: true });
  }
  const off = ofKind(talk().send(get(1, { body: { includeDeleted: 'TRUE' } })), 'request');
  assert.deepEqual(off.call.body, { ids: ['v1'], includeDeleted: false, accounts: true });
});

test('a missing element is 404, one that the token may not read is 403', () => {
  const codes = [null, vertex('v1', { scope: 'other', created: { on: NOW, by: 'acc9', app: '' } }), vertex('v1', { scope: 'system' })].map(
    (element) => {
      const { send, input } = talk();
      return errorCodes(input(found(ofKind(send(get(1)), 'request').id, element)))[0];
    },
  );
  assert.deepEqual(codes, [404, 403, 404]);
});

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

test('hiro:G12 limit -1 is all: the next page is read when the client has received this one', () => {
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
    ['send', 'confirm'],
  );
  const second = ofKind(input({ kind: 'confirmed', id: ofKind(effects, 'confirm').id }), 'request');
  assert.deepEqual((second.call.body as { cursor?: string }).cursor, 'c1');
  const last = sent(input(page(second.id)));
  assert.deepEqual(
    last.map((frame) => 'more' in frame && frame.more),
    [true, false],
  );
});

test('hiro:C8 a token frame is answered ok and counts from then on; a refused one is a 401 under its id', () => {
  const { send, input } = talk();
  const check = ofKind(send('{"id":"t","type":"token","_TOKEN":"abc"}'), 'authenticate');
  assert.deepEqual([check.credential, check.adopt], ['abc', true]);
  const fresh = { ...someone, account: 'acc2', expiresAt: NOW + 1_200_000 };
  assert.deepEqual(sent(input({ kind: 'authenticated', id: check.id, outcome: { ok: true, value: fresh } })), [
    { id: 't', more: false, body: 'ok' },
  ]);
  const write = ofKind(send('{"id":"1","type":"delete","headers":{"ogit/_id":"v1"}}', NOW + 1_000_000), 'mutate');
  assert.equal(write.request.by, 'acc2');
  const bad = ofKind(send('{"id":"u","type":"token","_TOKEN":"bad"}'), 'authenticate');
  assert.deepEqual(errorCodes(input({ kind: 'authenticated', id: bad.id, outcome: failed('unauthenticated') })), [401]);
});

test('hiro:C9 a request with its own token is done under it, and those behind it keep their order', () => {
  const { send, input } = talk();
  const remove = (id: number, token?: string): string =>
    JSON.stringify({ id, type: 'delete', _TOKEN: token, headers: { 'ogit/_id': `v${id}` } });
  const check = ofKind(send(remove(1, 'other')), 'authenticate');
  assert.equal(check.adopt, false);
  assert.deepEqual(send(remove(2)), []);
  const started = input({ kind: 'authenticated', id: check.id, outcome: { ok: true, value: { ...someone, account: 'acc2' } } });
  assert.deepEqual(
    started.map((effect) => (effect.do === 'mutate' ? effect.request.by : effect.do)),
    ['acc2', 'acc1'],
  );
  assert.equal(ofKind(send(remove(3, 'other')), 'mutate').request.by, 'acc2');
});

test('hiro:C9 a bad token of a request fails that request only', () => {
  const { send, input } = talk();
  const check = ofKind(send(get('1', { _TOKEN: 'bad' })), 'authenticate');
  assert.deepEqual(sent(input({ kind: 'authenticated', id: check.id, outcome: failed('unauthenticated', 'token expired') })), [
    { id: '1', error: { code: 401, message: 'token expired' } },
  ]);
  ofKind(send(get('2')), 'request');
});

test('hiro:C10 an expired connection answers 401 after the grace, and is closed 1008 a minute later without an error frame', () => {
  const { send, input } = talk();
  ofKind(send(get('1'), someone.expiresAt + 9_000), 'request');
  assert.deepEqual(sent(send(get('2'), someone.expiresAt + 11_000)), [{ id: '2', error: { code: 401, message: 'token expired' } }]);
  const early = input({ kind: 'timer', name: 'expiry' }, someone.expiresAt + 59_000);
  assert.deepEqual(early, [{ do: 'set-timer', name: 'expiry', ms: 1000 }]);
  assert.deepEqual(input({ kind: 'timer', name: 'expiry' }, someone.expiresAt + 60_000), [
    { do: 'close', code: 1008, reason: '{"error":{"message":"token expired"}}' },
  ]);
});

test('hiro:C10 fresh tokens of requests keep an expired connection open', () => {
  const { send, input } = talk();
  const check = ofKind(send(get('1', { _TOKEN: 'fresh' })), 'authenticate');
  input({ kind: 'authenticated', id: check.id, outcome: { ok: true, value: { ...someone, expiresAt: NOW + 3_000_000 } } });
  assert.equal(input({ kind: 'timer', name: 'expiry' }, someone.expiresAt + 60_000)[0]?.do, 'set-timer');
});

test('hiro:C5 hiro:C6 no or a bad token: one error frame without id, then 1008 with a JSON reason', () => {
  for (const credential of [undefined, failed('unauthenticated')]) {
    const { first, send } = talk({}, { credential });
    assert.deepEqual(first, [
      { do: 'send', frame: { error: { code: 401, message: 'authentication required' } } },
      { do: 'close', code: 1008, reason: '{"error":{"message":"authentication required"}}' },
    ]);
    assert.deepEqual(send(get('1')), []);
  }
});

test("a verifier without keys is not the client's fault", () => {
  const { first } = talk({}, { credential: failed('unavailable') });
  assert.deepEqual(
    first.map((effect) => (effect.do === 'close' ? effect.code : effect.do)),
    ['send', 1013],
  );
});

test('a revoked token closes at once', () => {
  assert.deepEqual(talk().input({ kind: 'revoked' }), [{ do: 'close', code: 1008, reason: '{"error":{"message":"token revoked"}}' }]);
});

test('reading stops at the limit and resumes at half of it; nothing is rejected for it', () => {
  const { send, input } = talk({ maxInFlight: 4 });
  const effects = [1, 2, 3, 4].flatMap((id) => send(get(id)));
  assert.deepEqual(
    effects.map((effect) => effect.do),
    ['request', 'request', 'request', 'request', 'pause'],
  );
  const asks = effects.flatMap((effect) => (effect.do === 'request' ? [effect.id] : []));
  const after = asks.slice(0, 2).flatMap((id) => input(found(id, null)));
  assert.deepEqual(
    after.map((effect) => effect.do),
    ['send', 'send', 'resume'],
  );
});

test('draining finishes what is in flight, rejects the rest, and then closes', () => {
  const { send, input } = talk();
  const ask = ofKind(send(get('1')), 'request');
  assert.deepEqual(input({ kind: 'drain' }), []);
  assert.deepEqual(errorCodes(send(get('2'))), [503]);
  assert.deepEqual(
    input(found(ask.id, vertex('v1'))).map((effect) => effect.do),
    ['send', 'close'],
  );
});

test('hiro:G22 every failure of the store has its number', () => {
  const numbers: [ErrorCode, number][] = [
    ['conflict', 409],
    ['not-found', 404],
    ['too-large', 413],
    ['busy', 888],
    ['expired', 408],
    ['unavailable', 503],
    ['internal', 500],
  ];
  for (const [code, number] of numbers) {
    const { send, input } = talk();
    const write = ofKind(send('{"id":1,"type":"connect","headers":{"ogit/_type":"v"},"body":{"in":"i","out":"o"}}'), 'mutate');
    assert.deepEqual(errorCodes(input({ kind: 'written', id: write.id, outcome: failed(code) })), [number]);
  }
});

test('decode never throws, and every decodable request with an unused id is answered or started', () => {
  const loose = fc.record(
    {
      id: fc.oneof(fc.string(), fc.integer(), fc.constant(null)),
      type: fc.oneof(
        fc.constantFrom('get', 'create', 'update', 'replace', 'delete', 'connect', 'query', 'me', 'token', 'history'),
        fc.string(),
      ),
      _TOKEN: fc.option(fc.string()),
      headers: fc.oneof(
        fc.dictionary(fc.constantFrom('ogit/_id', 'ogit/_type', 'type', 'limit', 'fields', 'vid'), fc.jsonValue()),
        fc.jsonValue(),
      ),
      body: fc.jsonValue(),
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        loose.map((value) => JSON.stringify(value)),
      ),
      (text) => {
        const decoded = decodeGraph(text);
        const { send } = talk();
        const effects = send(text);
        if (!decoded.ok || decoded.value.kind === 'malformed') assert.equal(errorCodes(effects).length, 1);
        else if (decoded.value.kind === 'request') assert.equal(effects.length, 1, JSON.stringify(effects));
      },
    ),
  );
});

test('a problem of a request is described in words, not as a path of a schema', () => {
  const problems = [
    [{ id: '1' }, 'type is missing'],
    [{ id: '1', type: 5 }, 'type is not a text'],
    [{ id: '1', type: 'get', headers: [] }, 'headers are not an object'],
    [{ id: '1', type: 'get', _TOKEN: 5 }, '_TOKEN is not a text'],
  ] as const;
  for (const [frame, problem] of problems) {
    assert.deepEqual(decodeGraph(JSON.stringify(frame)), { ok: true, value: { kind: 'malformed', id: '1', problem } });
  }
});
