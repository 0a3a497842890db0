/** Subscriptions in conversations of our own making: no clock, no network. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { Conversation } from '../test/conversation.ts';

suite('subscriptions', () => {
  test('rows are kept by id, or in order, and the array never changes', () => {
    const client = Conversation.open();
    client.subscribe({ sort: ['-n'] });
    const request = client.one();
    client.synced(
      request,
      [
        { id: 'b', n: 2 },
        { id: 'a', n: 1 },
      ],
      5,
    );
    const before = client.updates.at(-1)?.rows;
    assert.deepEqual([client.ids, client.updates.at(-1)?.change], ['ba', 'reset']);
    client.answer(request, { event: 'match created', payload: { id: 'c', n: 2 }, seq: 2, version: 6 });
    client.answer(request, { event: 'match modified', payload: { id: 'a', n: 3 }, seq: 3, version: 7 });
    assert.equal(client.ids, 'abc');
    assert.deepEqual(client.updates.at(-1)?.change, { event: 'modified', row: { id: 'a', n: 3 }, from: 2, to: 0 });
    client.answer(request, { event: 'match deleted', payload: { id: 'b', n: 2 }, seq: 4, version: 8 });
    assert.deepEqual([client.ids, client.updates.at(-1)?.version, before?.map(({ id }) => id).join('')], ['ac', 8, 'ba']);
    assert.throws(() => (before as { id: string }[]).push({ id: 'x' }));
  });

  test('a window follows the positions', () => {
    const client = Conversation.open();
    client.subscribe({ sort: ['n'], limit: 2 });
    const request = client.one();
    client.synced(
      request,
      [
        { id: 'a', n: 1 },
        { id: 'b', n: 2 },
      ],
      5,
    );
    client.answer(request, { event: 'match dropped', payload: { id: 'b', n: 2 }, seq: 2, position: { from: 1, to: null } });
    client.answer(request, { event: 'match created', payload: { id: 'c', n: 0 }, seq: 3, position: { from: null, to: 0 } });
    assert.equal(client.ids, 'ca');
    client.answer(request, { event: 'match modified', payload: { id: 'c', n: 9 }, seq: 4, position: { from: 0, to: 1 } });
    assert.equal(client.ids, 'ac');
  });

  test('gooduncle:F57 after a reconnection the old rows stay until the new ones are all there', () => {
    const client = Conversation.open();
    client.subscribe();
    client.synced(client.one(), [{ id: 'a' }, { id: 'b' }], 5);
    client.handle({ kind: 'disconnected', code: 1006 });
    assert.deepEqual([client.updates.at(-1)?.state, client.ids], ['stale', 'ab']);
    client.pass(1000, false);
    client.handle({ kind: 'connected' });
    const request = client.one();
    client.answer(request, { event: 'original match', payload: { id: 'b' }, version: 9 });
    assert.deepEqual([client.updates.at(-1)?.state, client.ids], ['stale', 'ab']);
    client.answer(request, { event: 'original match', payload: { id: 'c' }, seq: 1, synced: true, version: 9 });
    assert.deepEqual([client.updates.at(-1)?.state, client.ids, client.updates.at(-1)?.change], ['synced', 'bc', 'reset']);
  });

  test('one that overflowed is made again under another name; one that was revoked says so and ends', () => {
    const client = Conversation.open();
    client.subscribe();
    const request = client.one();
    client.synced(request, [{ id: 'a' }], 5);
    client.refuse(request, 'error', 'overflow');
    assert.deepEqual([client.updates.at(-1)?.state, client.updates.at(-1)?.failure?.problems[0]?.reason], ['stale', 'overflow']);
    assert.deepEqual(client.sent(), [], 'after a while');
    client.pass(200);
    const again = client.one();
    assert.notEqual(again.subscription, request.subscription);
    client.synced(again, [], 8);
    assert.deepEqual([client.updates.at(-1)?.state, client.ids], ['synced', '']);
    client.refuse(again, 'forbidden', 'revoked');
    const ended = client.updates.at(-1);
    assert.deepEqual([ended?.state, ended?.failure?.code, ended?.failure?.problems[0]?.reason], ['ended', 'forbidden', 'revoked']);
  });

  test('an event that is missing, or that does not fit, means that the rows are read anew', () => {
    for (const wrong of [
      { event: 'match created', payload: { id: 'c' }, seq: 2 },
      { event: 'match created', payload: { id: 'a' }, seq: 1 },
      { event: 'match dropped', payload: { id: 'c' }, seq: 1 },
    ]) {
      const client = Conversation.open();
      client.subscribe();
      const request = client.one();
      client.synced(request, [{ id: 'a' }], 5);
      client.answer(request, wrong);
      assert.deepEqual([client.updates.at(-1)?.state, client.one().type, client.ids], ['stale', 'unsubscribe', 'a']);
      client.pass(200);
      assert.equal(client.one().type, 'subscribe');
    }
  });

  test('what is only needed for the order is not shown', () => {
    const client = Conversation.open();
    client.subscribe({ sort: ['n'] }, ['n']);
    client.synced(
      client.one(),
      [
        { id: 'b', n: 1, name: 'x' },
        { id: 'a', n: 2, name: 'y' },
      ],
      5,
    );
    assert.deepEqual(client.updates.at(-1)?.rows, [
      { id: 'b', name: 'x' },
      { id: 'a', name: 'y' },
    ]);
  });

  test('one that is no longer wanted is taken back, or ended at the server, and nothing follows', () => {
    const client = Conversation.open();
    const id = client.subscribe();
    const request = client.one();
    client.synced(request, [{ id: 'a' }], 5);
    client.handle({ kind: 'unsubscribe', id });
    assert.deepEqual([client.one().subscription, client.updates.length], [request.subscription, 1]);
    client.answer(request, { event: 'match created', payload: { id: 'b' }, seq: 1 });
    assert.equal(client.updates.length, 1);
    client.handle({ kind: 'disconnected', code: 1006 });
    client.handle({ kind: 'unsubscribe', id: client.subscribe() });
    client.pass(1000, false);
    client.handle({ kind: 'connected' });
    assert.deepEqual(client.sent(), []);
  });

  test('a page that subscribes and unsubscribes for days is given another session when the names of one are used up', () => {
    const client = Conversation.open();
    client.subscribe();
    client.synced(client.one(), [{ id: 'a' }], 5);
    for (let count = 0; count < 5001; count += 1) {
      const id = client.subscribe();
      const [request] = client.sent();
      assert.ok(request);
      client.synced(request, [], 5);
      client.handle({ kind: 'unsubscribe', id });
      for (const unsubscribe of client.sent()) client.answer(unsubscribe, { last: true });
    }
    client.subscribe();
    client.refuse(client.one(), 'forbidden', 'limit');
    assert.match(client.statuses.at(-1)?.ended?.means ?? '', /names/);
    client.pass(1000, false);
    client.handle({ kind: 'connected' });
    const again = client.sent();
    assert.equal(again.length, 2);
    for (const request of again) client.synced(request, [], 6);
    assert.equal(client.updates.at(-1)?.state, 'synced');
    // Where it is the number of those that live, there is no way around it.
    client.subscribe();
    client.refuse(client.one(), 'forbidden', 'limit');
    assert.equal(client.updates.at(-1)?.state, 'ended');
  });
});
