import assert from 'node:assert/strict';
import { test } from 'node:test';
import { graphGet } from '@polyedge/contracts/bus/graph';
import { type ErrorCode, failed } from '@polyedge/contracts/errors';
import fc from 'fast-check';
import { errorCodes, found, get, ids, ofKind, sent, someone, talk, vertex } from '../../../test/graph-talk.ts';
import { NOW } from '../../../test/sample-principal.ts';
import { decodeGraph } from './codec.ts';

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
