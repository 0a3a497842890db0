import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FullChange } from '@polyedge/contracts/change';
import { done, failed } from '@polyedge/contracts/errors';
import { changeOf, committed, EPOCH } from '../../test/publisher-model.ts';
import { PublisherMachine } from './machine.ts';
import type { PublisherCall, PublisherEffect, PublisherInput, PublisherReplies } from './messages.ts';
import { Recent, RecentChanges } from './recent.ts';

type Name = PublisherCall['call'];
type CallOf<Call extends Name, Each = PublisherCall> = Each extends { call: infer Its } ? (Call extends Its ? Each : never) : never;

/** A publisher whose time and answers are given, and what it asked and did. */
function publisher(recent = new RecentChanges()) {
  const machine = new PublisherMachine(recent, 1, true);
  const open = new Map<Name, { readonly id: number; readonly call: PublisherCall }>();
  const asked: Name[] = [];
  const did: string[] = [];
  let at = 0;
  const perform = (effect: PublisherEffect): void => {
    if (effect.do === 'call') {
      // What the term before has asked is answered to nobody.
      if (effect.call.call === 'take') open.clear();
      assert.ok(!open.has(effect.call.call), `${effect.call.call} is asked while it is asked`);
      open.set(effect.call.call, effect);
      asked.push(effect.call.call);
    } else if (effect.do === 'publish') did.push(`publish ${effect.from}-${effect.to}`);
    else if (effect.do !== 'wake' && effect.do !== 'note') did.push(effect.do);
  };
  const give = (input: PublisherInput): void => {
    for (const effect of machine.handle(input, at)) perform(effect);
  };
  const answer = <Call extends Name>(name: Call, reply: PublisherReplies[Call] | 'fails'): void => {
    const waiting = open.get(name);
    assert.ok(waiting, `${name} was not asked`);
    open.delete(name);
    give({ kind: 'reply', id: waiting.id, outcome: reply === 'fails' ? failed('unavailable') : done(reply) });
  };
  const call = <Call extends Name>(name: Call): CallOf<Call> => {
    const waiting = open.get(name);
    assert.ok(waiting, `${name} was not asked`);
    return waiting.call as CallOf<Call>;
  };
  return {
    machine,
    asked,
    give,
    answer,
    call,
    /** What it has told since it was looked at last. */
    did: () => did.splice(0),
    pass: (ms: number): void => {
      at += ms;
      give({ kind: 'woken' });
    },
    isAsked: (name: Name) => open.has(name),
    /** Has the lease, and Redis answers nothing yet. */
    hold: (newest = 0, publishedSeq = newest, fence = 1, witnessed = true): void => {
      if (!open.has('take')) give({ kind: 'connected' });
      answer('take', { fence, publishedSeq });
      answer('settle', { epoch: EPOCH, comparedWithRedis: witnessed });
      answer('newest', newest);
      did.splice(0);
    },
  };
}

type Publisher = ReturnType<typeof publisher>;

/** Redis has everything up to `head`. */
function reach({ answer }: Publisher, head: number): void {
  answer('ping', undefined);
  answer('claim', { is: 'claimed', generation: 1, last: head, head });
  answer('drop-other-epochs', undefined);
}

test("the holder's commits are published in the same turn, from memory, with their head", () => {
  const { give, hold, did, asked } = publisher();
  hold(4);
  asked.length = 0;
  give(committed(5, 6));
  assert.deepEqual(did(), ['publish 5-6']);
  assert.deepEqual(asked, []);
});

test('a replica without the lease notifies the others, and serializes none of its commits', () => {
  const { give, answer, did } = publisher();
  give({ kind: 'connected' });
  answer('take', undefined);
  const toJSON = () => assert.fail('it was made into JSON');
  give({ kind: 'committed', changes: [{ change: Object.assign(changeOf(1), { toJSON }), attributesJson: '{}' }] });
  assert.deepEqual(did(), ['notify']);
});

test('the epoch is settled before anything is published, and again after a connection to the database was lost', () => {
  const { give, answer, hold, did, call } = publisher();
  give({ kind: 'connected' });
  give(committed(1));
  answer('take', { fence: 3, publishedSeq: 0 });
  give(committed(2));
  assert.deepEqual(did(), ['notify']);
  answer('settle', { epoch: EPOCH, comparedWithRedis: true });
  answer('newest', 2);
  assert.deepEqual(did(), ['publish 1-2']);
  give({ kind: 'database-lost' });
  assert.deepEqual(call('release'), { call: 'release', fence: 3, publishedSeq: 0 });
  give(committed(3));
  answer('release', undefined);
  hold(3, 0, 4);
  give(committed(4));
  assert.deepEqual(did(), ['publish 4-4']);
});

test('a commit reported while the end of the journal is being read is not lost', () => {
  const { give, answer, did } = publisher();
  give({ kind: 'connected' });
  answer('take', { fence: 1, publishedSeq: 0 });
  answer('settle', { epoch: EPOCH, comparedWithRedis: true });
  give(committed(1));
  answer('newest', 0);
  assert.deepEqual(did(), ['publish 1-1']);
});

test('what another replica committed is read, and a hole in memory is too', () => {
  const { give, answer, hold, did, call } = publisher();
  hold(0);
  give({ kind: 'notified', seq: 1 });
  give(committed(2));
  assert.deepEqual(did(), []);
  assert.equal(call('changes').after, 0);
  answer('changes', [changeOf(1)]);
  assert.deepEqual(did(), ['publish 1-2']);
});

test('changes that are read and do not fit into memory are published all the same', () => {
  const { give, answer, hold, did, pass } = publisher(new RecentChanges(2));
  hold(0);
  give({ kind: 'notified', seq: 5 });
  answer(
    'changes',
    [1, 2, 3, 4, 5].map((seq) => changeOf(seq)),
  );
  assert.deepEqual(did(), ['publish 1-5']);
  pass(0);
  assert.deepEqual(did(), []);
});

test('fewer changes are read at once when they are large', () => {
  const { give, answer, hold, call } = publisher();
  hold(0);
  give({ kind: 'notified', seq: 50 });
  assert.equal(call('changes').limit, 100);
  const text = 'x'.repeat(1_000_000);
  const large = (seq: number): FullChange => ({ ...changeOf(seq), state: { ...changeOf(seq).state, attributes: { text } } });
  answer('changes', [large(1), large(2)]);
  give({ kind: 'woken' });
  assert.equal(call('changes').limit, 4);
});

test('a commit reported in another epoch is looked for now and then, and delays nothing', () => {
  const { give, answer, hold, did, pass, isAsked } = publisher();
  hold(3);
  give({ kind: 'notified', seq: 900 });
  answer('changes', []);
  assert.equal(isAsked('changes'), false);
  give(committed(4));
  assert.deepEqual(did(), ['publish 4-4']);
  pass(50);
  assert.equal(isAsked('changes'), true);
  pass(1000);
  assert.deepEqual(did(), ['publish 5-4']);
});

test('a head comes every second, while a read of the journal takes its time too', () => {
  const { give, hold, pass, did } = publisher();
  hold(7);
  pass(999);
  assert.deepEqual(did(), []);
  give({ kind: 'notified', seq: 8 });
  pass(1);
  assert.deepEqual(did(), ['publish 8-7']);
});

test('a lease counts from when its renewal was sent, and changes after its end are not published', () => {
  const { give, answer, hold, pass, did, call, isAsked } = publisher();
  hold(1);
  pass(1000);
  answer('flush', undefined);
  pass(2500);
  answer('renew', true);
  assert.deepEqual(did(), ['publish 2-1', 'publish 2-1']);
  pass(1499);
  assert.equal(isAsked('release'), false);
  // Stopped for a moment, it hears of a commit before any of its timers.
  pass(1);
  give(committed(2));
  assert.deepEqual(did(), ['publish 2-1', 'notify']);
  assert.equal(call('release').fence, 1);
});

test('a renewal that is refused ends the term', () => {
  const { answer, hold, pass, call, give, did } = publisher();
  hold(1);
  pass(1000);
  answer('flush', undefined);
  did();
  answer('renew', false);
  give(committed(2));
  assert.deepEqual(did(), ['notify']);
  assert.equal(call('release').fence, 1);
});

test('who cannot reach NATS gives the lease back with what has reached it, and leaves it to others for two seconds', () => {
  const { answer, hold, pass, give, did, call, isAsked } = publisher();
  hold(1);
  give(committed(2));
  pass(1000);
  assert.deepEqual(did(), ['publish 2-2', 'publish 3-2']);
  answer('flush', 'fails');
  assert.equal(call('release').publishedSeq, 1);
  answer('release', undefined);
  pass(1999);
  assert.equal(isAsked('take'), false);
  pass(1);
  assert.equal(isAsked('take'), true);
});

test('without NATS the lease is not taken', () => {
  const { give, isAsked } = publisher();
  give({ kind: 'disconnected' });
  assert.equal(isAsked('take'), false);
  give({ kind: 'connected' });
  assert.equal(isAsked('take'), true);
});

test('an answer of the journal that fails begins a new term after a pause', () => {
  const { give, answer, hold, pass, did, isAsked } = publisher();
  hold(0);
  give({ kind: 'notified', seq: 1 });
  answer('changes', 'fails');
  pass(499);
  assert.equal(isAsked('take'), false);
  pass(1);
  hold(1, 0, 2);
  assert.equal(isAsked('changes'), true);
  assert.deepEqual(did(), []);
});

test('the end flushes, gives the lease back and is the last of it', () => {
  const { give, answer, hold, did, call, pass } = publisher();
  hold(0);
  give(committed(1));
  give({ kind: 'stop' });
  answer('flush', undefined);
  assert.equal(call('release').publishedSeq, 1);
  answer('release', undefined);
  assert.deepEqual(did(), ['publish 1-1', 'stopped']);
  pass(5000);
  give(committed(2));
  assert.deepEqual(did(), ['notify']);
});

test('a shutdown while the lease is being acquired releases it', () => {
  const { give, answer, call } = publisher();
  give({ kind: 'connected' });
  give({ kind: 'stop' });
  answer('take', { fence: 9, publishedSeq: 0 });
  answer('settle', { epoch: EPOCH, comparedWithRedis: true });
  answer('newest', 0);
  answer('flush', undefined);
  assert.equal(call('release').fence, 9);
});

test('a commit is made ready for Redis in a later turn than the one that publishes it', () => {
  const held = publisher();
  held.hold(0);
  reach(held, 0);
  held.give(committed(1));
  assert.deepEqual(held.did(), ['publish 1-1']);
  assert.equal(held.isAsked('append'), false);
  held.pass(0);
  const { runs, head, fence } = held.call('append');
  assert.deepEqual([runs.map(({ changes }) => changes.length), head, fence], [[1], 1, 1]);
});

test('Redis that does not answer holds up nothing, and is tried again every half second', () => {
  const held = publisher();
  held.hold(0);
  held.answer('ping', 'fails');
  held.give(committed(1));
  held.pass(0);
  assert.deepEqual(held.did(), ['publish 1-1']);
  held.pass(499);
  assert.equal(held.isAsked('ping'), false);
  held.pass(1);
  assert.equal(held.isAsked('ping'), true);
  assert.equal(held.machine.appenderStats.failures, 1);
});

test('what Redis holds is compared with the journal before anything is appended to it', () => {
  const held = publisher();
  held.hold(0, 0, 1, false);
  held.answer('ping', undefined);
  assert.equal(held.isAsked('claim'), false);
  held.answer('release', undefined);
  assert.equal(held.isAsked('take'), true);
});

test('a holder that is fenced in Redis acquires the lease again, with a fence above the one found', () => {
  const held = publisher();
  held.hold(0);
  held.answer('ping', undefined);
  held.answer('claim', { is: 'fenced', fence: 40 });
  held.answer('release', undefined);
  assert.equal(held.call('take').above, 40);
});

test('a fence that is met by an append is claimed against first', () => {
  const held = publisher();
  held.hold(0);
  reach(held, 0);
  held.give(committed(1));
  held.pass(0);
  held.answer('append', ['fenced']);
  held.answer('ping', undefined);
  held.answer('claim', { is: 'fenced', fence: 2 });
  held.answer('release', undefined);
  assert.equal(held.call('take').above, 2);
});

test('a partition with unexpected content is rebuilt under the next generation, and switched last', () => {
  const held = publisher();
  held.hold(2);
  reach(held, 2);
  held.give(committed(3));
  held.pass(0);
  held.answer('append', ['differs']);
  held.answer('claim', { is: 'claimed', generation: 4, last: 0, head: 0 });
  held.answer('newest', 3);
  assert.equal(held.call('clear').generation, 5);
  held.answer('clear', 'cleared');
  held.answer('partition', [changeOf(1), changeOf(2)]);
  assert.equal(held.call('fill').after, 0);
  held.answer('fill', 'filled');
  assert.equal(held.call('partition').after, 2);
  held.answer('partition', [changeOf(3)]);
  held.answer('fill', 'filled');
  held.answer('partition', []);
  // The journal has dropped the first change: whoever has not had it must not take the log for whole.
  held.answer('oldest', 2);
  assert.deepEqual(held.call('switch').state, { generation: 5, last: 3, head: 3 });
  assert.equal(held.call('switch').since, 1);
  held.answer('switch', 'switched');
  held.give(committed(4));
  held.pass(0);
  assert.deepEqual(held.call('append').runs[0]?.state, { generation: 5, last: 3, head: 3 });
});

test('Redis that was wiped while nothing happened is noticed', () => {
  const held = publisher();
  held.hold(2);
  reach(held, 2);
  held.pass(200);
  held.answer('states', [{ generation: 0, last: 0, head: 0 }]);
  assert.equal(held.isAsked('claim'), true);
});

test('if Redis is wiped while a partition is being rebuilt, everything is claimed again', () => {
  const held = publisher();
  held.hold(1);
  held.answer('ping', undefined);
  held.answer('claim', { is: 'claimed', generation: 0, last: 0, head: 0 });
  held.answer('newest', 1);
  held.answer('clear', 'forgot');
  held.pass(500);
  held.answer('ping', undefined);
  assert.equal(held.isAsked('claim'), true);
});

test('the JSON of a change is that of its value, from the text of its attributes', () => {
  const stamp = { on: 1, by: 'b', app: 'a' };
  const state = { tenant: 't', id: 'v', kind: 'vertex' as const, type: 'x', scope: 's', version: 1, seq: 3, deleted: false };
  const attributes = { a: 'ä"\n', n: [1, { x: null }] };
  const { tenant, kind, type } = state;
  const change: FullChange = {
    ...{ ...changeOf(3), action: 'create', on: 1, tenant, kind, type, version: 1, by: 'b', app: 'a', first: 3, last: 3 },
    ...{ origin: { protocol: 'hiro', way: 'socket', operation: 'o' }, state: { ...state, created: stamp, modified: stamp, attributes } },
  };
  const recent = new Recent(change, JSON.stringify(change.state.attributes));
  assert.deepEqual(JSON.parse(recent.json ?? ''), JSON.parse(JSON.stringify(change)));
  assert.equal(recent.json, recent.json);
  const large = new Recent({ ...change, state: { ...change.state, attributes: { a: 'x'.repeat(300_000) } } });
  assert.equal(large.json, undefined);
  assert.deepEqual(Object.keys(JSON.parse(large.reference)).includes('state'), false);
});
