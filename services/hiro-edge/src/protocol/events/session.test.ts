import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FullChange } from '@polyedge/contracts/change';
import { failed } from '@polyedge/contracts/errors';
import { type HiroError, hiroEvent } from '@polyedge/contracts/wire/hiro';
import { compile } from '@polyedge/query/predicate';
import type { Effect, Input, Opening } from '@polyedge/session/session';
import fc from 'fast-check';
import { NOW, samplePrincipal } from '../../../test/sample-principal.ts';
import { type Event, eventDocument } from '../element/event.ts';
import { eventsProtocol } from '../protocol.ts';
import { decodeEvents, type EventsFrame } from './codec.ts';

const someone = samplePrincipal({ scopes: ['scope2'] });

type Out = Effect<Event | HiroError>;

const protocol = eventsProtocol({ tokenGraceMs: 10_000 });

function talk(query: Record<string, string> = {}, from: Partial<Opening> = {}) {
  const [session, first] = protocol.open({
    credential: { ok: true, value: someone },
    path: '/api/events-ws/6.2/',
    query,
    address: '10.0.0.1',
    nonce: '0123456789abcdef0123456789abcdef',
    at: NOW,
    ...from,
  });
  const watched = new Map<string, Extract<Out, { do: 'subscribe' }>>();
  const input = (given: Input<EventsFrame>, at = NOW): readonly Out[] => {
    const effects = session.handle(given, at);
    for (const effect of effects) {
      if (effect.do === 'subscribe') watched.set(effect.id, effect);
      if (effect.do === 'unsubscribe') watched.delete(effect.id);
    }
    return effects;
  };
  return {
    first,
    input,
    send: (message: unknown) => {
      const decoded = protocol.decode(typeof message === 'string' ? message : JSON.stringify(message));
      return input(decoded.ok ? { kind: 'frame', frame: decoded.value } : { kind: 'undecodable', problem: decoded.problem });
    },
    /** Whether the socket would be told, and what: as the broadcaster does it, once however many views match. */
    told: (change: FullChange): (Event | HiroError)[] => {
      const views = [...watched.values()].flatMap(({ to, view }) => (view === undefined || to.tenant !== change.tenant ? [] : [view]));
      const matching = views.filter((view) => compile(view.filter)(eventDocument(change)));
      const frames = new Map(matching.map((view) => [view.shape, protocol.translate?.(change, view)]));
      return [...frames.values()].filter((frame) => frame !== undefined);
    },
    get watched() {
      return watched.size;
    },
  };
}

function change(over: { id?: string; type?: string; scope?: string; by?: string; action?: FullChange['action'] } = {}): FullChange {
  const { id = 'v1', type = 'ogit/Question', scope = 'scope1', by = 'acc9', action = 'create' } = over;
  const stamp = { on: NOW, by, app: 'app1' };
  const state = {
    tenant: 'acme',
    id,
    kind: 'vertex' as const,
    type,
    scope,
    attributes: { 'ogit/name': 'n' },
    version: 1,
    seq: 5,
    created: stamp,
    modified: stamp,
    deleted: false,
  };
  const { tenant, kind } = state;
  return {
    ...{ seq: 5, epoch: 'e', tenant, id, kind, type, scope, owners: [id], action, version: 1, on: NOW, by, app: 'app1' },
    ...{ origin: { protocol: 'hiro', way: 'socket', operation: 'create' }, operationId: '0'.repeat(32), first: 5, last: 5 },
    state,
    undo: { fresh: true, set: {}, unset: [], version: 0, seq: 0, deleted: false },
  };
}

const register = (content: string, id: unknown = content): object => ({
  type: 'register',
  args: { 'filter-id': id, 'filter-type': 'jfilter', 'filter-content': content },
});
const codes = (effects: readonly Out[]): number[] =>
  effects.flatMap((effect) => (effect.do === 'send' && 'error' in effect.frame ? [effect.frame.error.code] : []));
const QUESTIONS = '(element.ogit/_type = ogit/Question)';

test('hiro:E4 a registered filter brings events with exactly the documented keys', () => {
  const { send, told } = talk();
  assert.deepEqual(
    send(register(QUESTIONS)).map((effect) => effect.do),
    ['subscribe'],
  );
  const [event, ...more] = told(change());
  assert.deepEqual(more, []);
  assert.ok(hiroEvent.test(event), hiroEvent.problem(event));
  assert.deepEqual(told(change({ type: 'ogit/Note' })), []);
});

test('hiro:E1 hiro:E2 the five messages come in any order and nothing is acknowledged', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.constantFrom<object>(
          { type: 'clear' },
          { type: 'clear', args: {} },
          { type: 'subscribe', id: 'scope2' },
          { type: 'subscribe', id: null },
          { type: 'unregister', args: { 'filter-id': 'a' } },
          register(QUESTIONS, 'a'),
          register('(action=*)', 'b'),
          { type: 'token', args: { _TOKEN: 't' } },
        ),
      ),
      fc.boolean(),
      (messages, all) => {
        const { send } = talk({ allscopes: String(all) });
        for (const message of messages)
          assert.deepEqual(
            send(message).filter((effect) => effect.do === 'send'),
            [],
          );
      },
    ),
  );
});

test('hiro:E3 a filter without id, a null scope, a double-encoded message and object ids are understood', () => {
  const { send, told } = talk({ allscopes: 'false' });
  send({ type: 'register', args: { 'filter-content': QUESTIONS } });
  assert.equal(told(change()).length, 1);
  assert.deepEqual(send({ type: 'subscribe', id: null }), []);
  send(JSON.stringify(JSON.stringify({ type: 'subscribe', id: 'scope2' })));
  assert.equal(told(change({ scope: 'scope2' })).length, 1);
  send({ type: 'unregister', args: { 'filter-id': QUESTIONS } });
  assert.equal(told(change()).length, 0);
  send(register(QUESTIONS, { b: 1, a: [2] }));
  assert.equal(told(change()).length, 1);
  send({ type: 'unregister', args: { 'filter-id': { a: [2], b: 1 } } });
  assert.equal(told(change()).length, 0);
});

test('hiro:E11 nothing before the first register, nothing after clear', () => {
  const { send, told } = talk();
  assert.deepEqual(told(change()), []);
  send(register(QUESTIONS));
  send(register('(action=*)'));
  send({ type: 'clear', args: {} });
  assert.deepEqual(told(change()), []);
});

test('hiro:E10 an event that several filters match comes once', () => {
  const { send, told } = talk();
  send(register(QUESTIONS));
  send(register('(action = CREATE)'));
  assert.equal(told(change()).length, 1);
  assert.equal(told(change({ type: 'ogit/Note' })).length, 1);
});

test('hiro:E12 allscopes is the default; without it, the default scope and those subscribed to', () => {
  for (const allscopes of [undefined, '', 'true']) {
    const { send, told } = talk(allscopes === undefined ? {} : { allscopes });
    send(register(QUESTIONS));
    assert.deepEqual([told(change()).length, told(change({ scope: 'scope2' })).length], [1, 1]);
    assert.deepEqual(send({ type: 'subscribe', id: 'nowhere' }), []);
  }
  for (const allscopes of ['false', 'TRUE', '1']) {
    const { send, told } = talk({ allscopes });
    send(register(QUESTIONS));
    assert.deepEqual([told(change()).length, told(change({ scope: 'scope2' })).length], [1, 0]);
    send({ type: 'subscribe', id: 'scope2' });
    assert.deepEqual([told(change()).length, told(change({ scope: 'scope2' })).length], [1, 1]);
  }
});

test('hiro:E13 events of elements that the token may not read are not sent', () => {
  const { send, told } = talk();
  send(register('(action=*)'));
  assert.equal(told(change({ scope: 'scope3' })).length, 0);
  assert.equal(told(change({ scope: 'system' })).length, 0);
});

test('subscribing to a scope the token may not read is 403 and changes nothing', () => {
  const { send } = talk({ allscopes: 'false' });
  assert.deepEqual(codes(send({ type: 'subscribe', id: 'scope3' })), [403]);
});

test('hiro:E6 delta is enabled by the exact text true', () => {
  const full = talk({ delta: 'TRUE' });
  full.send(register(QUESTIONS));
  const delta = talk({ delta: 'true' });
  delta.send(register(QUESTIONS));
  const body = (events: (Event | HiroError)[]): unknown => (events[0] !== undefined && 'body' in events[0] ? events[0].body : undefined);
  assert.ok(Object.hasOwn(body(full.told(change())) as object, 'ogit/name'));
  assert.ok(Object.hasOwn(body(delta.told(change())) as object, '+ogit/name'));
});

test('hiro:E19 a bad message is one 400 frame without id and type, and the socket lives on', () => {
  const { send, told } = talk();
  for (const bad of [
    'x',
    '[]',
    '{"type":"hello"}',
    '{"type":"register"}',
    { type: 'register', args: { 'filter-content': 7 } },
    { type: 'register', args: { 'filter-content': '(a', 'filter-type': 'jfilter' } },
    { type: 'register', args: { 'filter-content': QUESTIONS, 'filter-type': 'lucene' } },
    { type: 'unregister' },
    { type: 'token', args: {} },
  ]) {
    assert.deepEqual(codes(send(bad)), [400], JSON.stringify(bad));
  }
  send(register(QUESTIONS));
  assert.equal(told(change()).length, 1);
});

test('registering an id again replaces its filter, without losing events in flight', () => {
  const { send, input, told } = talk();
  send(register(QUESTIONS, 'a'));
  assert.deepEqual(send(register(QUESTIONS, 'a')), []);
  const effects = send(register('(element.ogit/_type = ogit/Note)', 'a'));
  assert.deepEqual(
    effects.map((effect) => effect.do),
    ['subscribe', 'confirm', 'set-timer'],
  );
  const confirm = effects.find((effect) => effect.do === 'confirm');
  assert.deepEqual(
    input({ kind: 'confirmed', id: confirm?.id ?? '' }).map((effect) => effect.do),
    ['unsubscribe'],
  );
  assert.deepEqual([told(change()).length, told(change({ type: 'ogit/Note' })).length], [0, 1]);
});

test('a thousand filters are accepted, one more is refused', () => {
  const conversation = talk();
  for (let index = 0; index < 1000; index += 1) conversation.send(register(`(ogit/_id=${index})`, index));
  assert.equal(conversation.watched, 1000);
  assert.deepEqual(codes(conversation.send(register(QUESTIONS))), [400]);
});

test('the conditions of all filters of a socket together are bounded, and those of a filter that ends are given back', () => {
  const { send } = talk();
  const register = (id: string, conditions: number, item: string) =>
    send({
      type: 'register',
      args: { 'filter-id': id, 'filter-type': 'jfilter', 'filter-content': `(|${`(${item})`.repeat(conditions)})` },
    });
  for (let i = 0; i < 20; i += 1)
    assert.equal(register(`f${i}`, 250, `element./a${i}=1`).filter((effect) => effect.do === 'send').length, 0);
  const refusal = {
    do: 'send',
    frame: {
      error: {
        code: 400,
        message: 'the filters of a socket have at most 5000 conditions together; one with a wildcard or "~=" counts as four',
      },
    },
  };
  assert.deepEqual(register('one more', 1, 'element./b=1'), [refusal]);
  // The same filter again, and one in place of another.
  assert.deepEqual(register('f0', 250, 'element./a0=1'), []);
  assert.deepEqual(register('f0', 63, 'element./a0=*1*'), [refusal]);
  assert.notDeepEqual(register('f0', 62, 'element./a0~=1'), [refusal]);
  send({ type: 'unregister', args: { 'filter-id': 'f1' } });
  assert.notDeepEqual(register('one more', 252, 'element./b=1'), [refusal]);
  assert.deepEqual(register('another', 1, 'element./b=1'), [refusal]);
  send({ type: 'clear', args: {} });
  assert.notDeepEqual(register('another', 1, 'element./b=1'), [refusal]);
});

test('in a group, many changes of the filters change the view a few times; reduced rights do at once', () => {
  const { send, input } = talk({ groupId: 'g' });
  const register = (id: number): readonly Out[] =>
    send({ type: 'register', args: { 'filter-id': id, 'filter-type': 'jfilter', 'filter-content': `(element./n=${id})` } });
  const joins = (effects: readonly Out[]): number => effects.filter((effect) => effect.do === 'join').length;
  const timer = { kind: 'timer', name: 'group' } as const;
  register(0);
  assert.equal(joins(input(timer)), 1);
  assert.equal(joins(register(1)), 1, 'a change after a while');
  let joined = 0;
  for (let id = 2; id < 900; id += 1) joined += joins(register(id));
  assert.equal(joined, 0);
  const last = input(timer).filter((effect) => effect.do === 'join');
  assert.equal(last.length, 1);
  assert.match(JSON.stringify(last[0]), /"899"/);
  register(900);
  const same = { kind: 'authenticated', id: 'token:1', outcome: { ok: true, value: someone } } as const;
  assert.equal(joins(input(same)), 0, 'the same rights');
  assert.equal(joins(input({ ...same, outcome: { ok: true, value: samplePrincipal({ scopes: [] }) } })), 1);
  assert.equal(joins(input(timer)), 0, 'nothing changed since');
  assert.equal(joins(register(901)), 1);
  register(902);
  assert.deepEqual(send({ type: 'clear', args: {} }), [
    { do: 'unsubscribe', id: 'group' },
    { do: 'clear-timer', name: 'group' },
  ]);
});

test('hiro:C7 a fresh token is taken in silence; with other rights the subscriptions change at once', () => {
  const { send, input, told } = talk();
  send(register(QUESTIONS));
  const [check] = send({ type: 'token', args: { _TOKEN: 't' } });
  assert.ok(check?.do === 'authenticate' && check.adopt);
  const same = input({ kind: 'authenticated', id: check.id, outcome: { ok: true, value: { ...someone, expiresAt: NOW + 900_000 } } });
  assert.deepEqual(
    same.map((effect) => effect.do),
    ['set-timer'],
  );
  const less = input({ kind: 'authenticated', id: check.id, outcome: { ok: true, value: { ...someone, scopes: [] } } });
  assert.deepEqual(
    less.map((effect) => effect.do),
    ['set-timer', 'subscribe', 'unsubscribe'],
  );
  assert.equal(told(change({ scope: 'scope2' })).length, 0);
});

test('a refused token ends the socket: 401 in band, then 1008', () => {
  const { send, input } = talk();
  const [check] = send({ type: 'token', args: { _TOKEN: 't' } });
  const effects = input({ kind: 'authenticated', id: check?.do === 'authenticate' ? check.id : '', outcome: failed('unauthenticated') });
  assert.deepEqual(codes(effects), [401]);
  assert.ok(effects[1]?.do === 'close' && effects[1].code === 1008);
});

test('hiro:C10 an expired token ends the socket after the grace, never earlier', () => {
  const { first, input } = talk();
  assert.deepEqual(first, [{ do: 'set-timer', name: 'expiry', ms: 610_001 }]);
  assert.deepEqual(input({ kind: 'timer', name: 'expiry' }, someone.expiresAt + 10_000), [{ do: 'set-timer', name: 'expiry', ms: 1 }]);
  assert.deepEqual(input({ kind: 'timer', name: 'expiry' }, someone.expiresAt + 10_001), [
    { do: 'send', frame: { error: { code: 401, message: 'token expired' } } },
    { do: 'close', code: 1008, reason: '{"error":{"message":"token expired"}}' },
  ]);
});

test('a revoked token ends the socket at once, lost events are said so', () => {
  assert.deepEqual(codes(talk().input({ kind: 'revoked' })), [401]);
  const [close] = talk().input({ kind: 'lost', id: 'filter:1', failure: { code: 'lost' } });
  assert.ok(close?.do === 'close' && close.code === 1013);
});

test('decode never throws, and a message gets at most one frame', () => {
  const message = fc.record(
    {
      type: fc.oneof(fc.constantFrom('token', 'subscribe', 'register', 'unregister', 'clear'), fc.string()),
      id: fc.jsonValue(),
      args: fc.oneof(
        fc.dictionary(fc.constantFrom('_TOKEN', 'filter-id', 'filter-type', 'filter-content'), fc.jsonValue()),
        fc.jsonValue(),
      ),
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        message.map((value) => JSON.stringify(value)),
      ),
      (text) => {
        decodeEvents(text);
        assert.ok(
          talk()
            .send(text)
            .filter((effect) => effect.do === 'send').length <= 1,
        );
      },
    ),
  );
});

test('a problem of a message is described in words, not as a path of a schema', () => {
  const problems = [
    [{ type: 'register', args: {} }, 'filter-content is missing'],
    [{ type: 'register', args: { 'filter-content': 1 } }, 'filter-content is not a text'],
    [{ type: 'register' }, 'args are missing'],
    [{ type: 'token', args: {} }, '_TOKEN is missing, or not a text'],
    [{ type: 'unregister', args: {} }, 'filter-id is missing'],
    [{ type: 'subscribe', id: 5 }, 'id is not a text of at most 512 characters'],
  ] as const;
  for (const [message, problem] of problems) assert.deepEqual(decodeEvents(JSON.stringify(message)), { ok: false, problem });
});

test("a group of the system's own is not for a client to join", () => {
  const { first } = talk({ groupId: 'polyedge/saga-runner' });
  assert.deepEqual(
    first.map((effect) => effect.do),
    ['send', 'close'],
  );
});
