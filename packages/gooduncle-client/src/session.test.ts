/** The session in conversations of our own making: no clock, no network. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { Conversation } from '../test/conversation.ts';

const codeOf = (conversation: Conversation, id: number): string | undefined => {
  const outcome = conversation.outcomes.get(id);
  return outcome === undefined ? undefined : outcome.ok ? 'ok' : outcome.code;
};

suite('the connection', () => {
  test('gooduncle:F57 the beat is answered from within the message: no timer is needed', () => {
    const client = Conversation.open();
    for (let beat = 0; beat < 100; beat += 1) {
      client.at += 300;
      client.handle({ kind: 'message', text: '`' });
    }
    assert.equal(client.beats, 100);
    assert.deepEqual(
      client.statuses.map(({ state }) => state),
      ['connecting', 'open'],
    );
  });

  test('many messages at once are answered with one character', () => {
    const client = Conversation.open();
    client.at += 300;
    for (let message = 0; message < 50; message += 1) client.handle({ kind: 'message', text: '`' });
    assert.equal(client.beats, 1);
  });

  test('gooduncle:F57 a second of silence is faulty, three are the end; it comes back after a random part of a time that doubles', () => {
    const client = Conversation.open();
    client.pass(999, false);
    assert.equal(client.statuses.at(-1)?.state, 'open');
    client.pass(1, false);
    assert.equal(client.statuses.at(-1)?.state, 'faulty');
    client.handle({ kind: 'message', text: '`' });
    assert.equal(client.statuses.at(-1)?.state, 'open');
    client.pass(3000, false);
    const lost = client.statuses.at(-1);
    assert.deepEqual([lost?.state, lost?.ended?.code, lost?.ended?.means], ['waiting', undefined, 'nothing was heard for three seconds']);
    const pauses: (number | undefined)[] = [lost?.retryInMs];
    for (let attempt = 0; attempt < 7; attempt += 1) {
      client.pass(client.statuses.at(-1)?.retryInMs ?? 0, false);
      client.handle({ kind: 'disconnected', code: 1006 });
      pauses.push(client.statuses.at(-1)?.retryInMs);
    }
    assert.deepEqual(pauses, [150, 300, 600, 1200, 2400, 4800, 5000, 5000]);
    // What is known to work is tried without waiting.
    client.handle({ kind: 'hurry' });
    assert.equal(client.statuses.at(-1)?.state, 'connecting');
    client.handle({ kind: 'connected' });
    client.pass(6000);
    client.handle({ kind: 'disconnected', code: 1001 });
    assert.equal(client.statuses.at(-1)?.retryInMs, 150);
    assert.match(client.statuses.at(-1)?.ended?.means ?? '', /going away/);
  });

  test('an attempt that hangs is given up', () => {
    const client = new Conversation();
    client.handle({ kind: 'tick' });
    client.pass(5000, false);
    assert.equal(client.statuses.at(-1)?.state, 'waiting');
  });
});

suite('requests', () => {
  test('answers reach their requests in whatever order they come', () => {
    const client = Conversation.open();
    const [first, second] = [client.ask('read'), client.ask('read')];
    const [one, other] = client.sent();
    assert.ok(one !== undefined && other !== undefined);
    client.answer(other, { payload: { id: 'b' }, last: true, version: 2 });
    client.answer(one, { payload: { id: 'a' } });
    assert.equal(codeOf(client, first), undefined);
    client.refuse(one, 'error');
    assert.equal(codeOf(client, first), undefined, 'a read is asked for again');
    client.pass(1000);
    const again = client.one();
    client.answer(again, { payload: { id: 'c' }, last: true });
    const outcome = client.outcomes.get(first);
    assert.deepEqual(outcome?.ok === true && outcome.rows.map(({ id }) => id), ['c'], 'rows of the first attempt are gone');
    assert.equal(codeOf(client, second), 'ok');
  });

  test('after a lost connection reads are asked for again, and updates say that their outcome is unknown', () => {
    const client = Conversation.open();
    const read = client.ask('read');
    const update = client.ask('update', { repeatable: false });
    const removal = client.ask('delete', { repeatable: false });
    client.sent();
    client.handle({ kind: 'disconnected', code: 1006 });
    const later = client.ask('update', { repeatable: false });
    assert.deepEqual([codeOf(client, update), codeOf(client, removal), codeOf(client, read)], ['unknown', 'unknown', undefined]);
    client.pass(1000, false);
    client.handle({ kind: 'connected' });
    assert.deepEqual(
      client.sent().map(({ type }) => type),
      ['read', 'update'],
    );
    assert.equal(codeOf(client, later), undefined);
  });

  test('a create is repeated with its `once` for the same account only', () => {
    const client = Conversation.open();
    const create = client.ask('create', {}, { once: 'k' });
    client.sent();
    client.reconnect();
    const again = client.one();
    assert.equal(again.once, 'k');
    client.answer(again, { payload: { id: 'a' }, last: true, version: 3 });
    assert.equal(codeOf(client, create), 'ok');

    client.ask('upgrade', { login: 'u' });
    client.answer(client.one(), { last: true });
    const other = client.ask('create', {}, { once: 'l' });
    client.sent();
    client.reconnect();
    client.refuse(client.one(), 'forbidden', 'credentials');
    assert.deepEqual(client.sent(), []);
    assert.equal(codeOf(client, other), 'unknown');
    assert.equal(client.statuses.at(-1)?.loginRefused?.code, 'forbidden');
  });

  test('`slow down` is answered by a pause of more than a second, which grows', () => {
    const client = Conversation.open();
    const asked = Array.from({ length: 40 }, () => client.ask('read'));
    const first = client.sent();
    assert.equal(first.length, 32, 'no more at once');
    for (const request of first) client.refuse(request, 'slow down', 'rate');
    client.pass(1200);
    assert.deepEqual(client.sent(), []);
    client.pass(200);
    const second = client.sent();
    assert.deepEqual(
      second.map(({ ref }) => ref),
      first.map(({ ref }) => ref),
      'in the order in which they were asked',
    );
    for (const request of second) client.refuse(request, 'slow down', 'rate');
    client.pass(2300);
    assert.deepEqual(client.sent(), []);
    client.pass(200);
    for (let round = 0; round < 2; round += 1)
      for (const request of client.sent()) client.answer(request, { payload: { id: 'a' }, last: true });
    assert.ok(asked.every((id) => codeOf(client, id) === 'ok'));
  });

  test('nobody waits for ever, nor in a line without an end', () => {
    const client = new Conversation();
    client.handle({ kind: 'tick' });
    const asked = Array.from({ length: 1001 }, () => client.ask('update', { repeatable: false }));
    assert.equal(codeOf(client, asked[1000] ?? 0), 'busy');
    client.pass(30_000, false);
    assert.equal(codeOf(client, asked[0] ?? 0), 'unreachable');
    const large = client.ask('update', { repeatable: false }, { params: { text: 'ü'.repeat(131_072) } });
    assert.equal(codeOf(client, large), 'bad request');
  });

  test('logins are repeated before everything else, and a downgrade ends that', () => {
    const client = Conversation.open();
    client.ask('upgrade', { login: 'a' }, { user: 'a' });
    client.ask('read');
    const upgrade = client.one();
    assert.equal(upgrade.type, 'upgrade', 'what follows waits');
    client.roles = ['customer'];
    client.answer(upgrade, { last: true });
    assert.deepEqual(client.statuses.at(-1)?.roles, ['customer']);
    client.sent();
    client.reconnect();
    assert.deepEqual(client.statuses.at(-1)?.roles, []);
    const login = client.one();
    assert.deepEqual([login.type, login.user], ['upgrade', 'a']);
    client.refuse(login, 'error');
    client.pass(1000);
    client.answer(client.one(), { last: true });
    client.answer(client.one(), { payload: { id: 'a' }, last: true });
    client.ask('downgrade');
    client.answer(client.one(), { last: true });
    client.reconnect();
    assert.deepEqual(client.sent(), []);
  });

  test('an upgrade is repeated three times, since `slow down` may also mean that the password was wrong too often', () => {
    const client = Conversation.open();
    const upgrade = client.ask('upgrade', { login: 'a' });
    for (let attempt = 0; attempt < 4; attempt += 1) {
      assert.equal(codeOf(client, upgrade), undefined);
      client.refuse(client.one(), 'slow down', 'rate');
      client.pass(6000);
    }
    assert.equal(codeOf(client, upgrade), 'slow down');
  });

  test('a token that ends is got anew for every login, and what follows waits for it', () => {
    const client = Conversation.open();
    const upgrade = client.ask('upgrade', { login: 't', fresh: true });
    client.subscribe();
    assert.deepEqual(client.sent(), []);
    client.handle({ kind: 'credentials', ref: client.wanted.shift() ?? '', text: '{"type":"upgrade","token":"one"}' });
    const first = client.one();
    assert.equal(first.token, 'one');
    client.answer(first, { last: true });
    assert.equal(codeOf(client, upgrade), 'ok');
    client.synced(client.one(), [], 5);
    client.reconnect();
    assert.deepEqual(client.sent(), []);
    // The connection ends again before there is one.
    const late = client.wanted.shift() ?? '';
    client.reconnect();
    client.handle({ kind: 'credentials', ref: late, text: '{"type":"upgrade","token":"late"}' });
    assert.deepEqual(client.sent(), []);
    client.handle({ kind: 'credentials', ref: client.wanted.shift() ?? '', text: '{"type":"upgrade","token":"two"}' });
    const second = client.one();
    assert.equal(second.token, 'two');
    client.answer(second, { last: true });
    assert.equal(client.one().type, 'subscribe');
    client.reconnect();
    client.handle({ kind: 'credentials', ref: client.wanted.shift() ?? '', text: undefined });
    assert.equal(client.statuses.at(-1)?.loginRefused?.message, 'there was no token');
    assert.equal(client.one().type, 'subscribe');
  });

  test('gooduncle:F59 a subscription goes on where the server says that it can: what was missed is applied to the rows that are there', () => {
    const client = Conversation.open();
    client.subscribe();
    const first = client.one();
    assert.equal(first.since, '');
    client.answer(first, { event: 'original match', payload: { id: 'a' }, seq: 0, version: 5 });
    client.answer(first, { event: 'original match', payload: { id: 'b' }, seq: 1, version: 5, synced: true, count: 2, since: 'h.5' });
    // Of a commit of several changes only the first has come: it may be told again.
    client.answer(first, { event: 'match created', payload: { id: 'c' }, seq: 2, version: 8, since: 'h.5' });
    client.reconnect();
    const second = client.one();
    assert.equal(second.since, 'h.5');
    client.answer(second, { event: 'match created', payload: { id: 'c', n: 1 }, seq: 0, version: 9 });
    client.answer(second, { event: 'match deleted', payload: { id: 'a' }, seq: 1, version: 9 });
    assert.equal(client.updates.at(-1)?.state, 'stale');
    assert.equal(client.ids, 'abc');
    client.answer(second, { event: 'match deleted', payload: { id: 'x' }, seq: 2, version: 10, synced: true, since: 'h.10' });
    assert.equal(client.ids, 'bc');
    assert.equal(client.updates.at(-1)?.change, 'reset');
    assert.equal(client.updates.at(-1)?.state, 'synced');
    client.reconnect();
    const third = client.one();
    assert.equal(third.since, 'h.10');
    client.answer(third, { seq: 0, synced: true, version: 11, since: 'h.11' });
    assert.equal(client.ids, 'bc', 'nothing was missed');
    client.reconnect();
    client.synced(client.one(), [], 12);
    assert.equal(client.ids, '', 'it began anew, and there is nothing');
  });

  test('closing tells everybody what became of it', () => {
    const client = Conversation.open();
    const sent = [client.ask('update', { repeatable: false }), client.ask('read'), client.ask('create')];
    client.sent();
    client.subscribe();
    client.handle({ kind: 'close' });
    assert.deepEqual(
      sent.map((id) => codeOf(client, id)),
      ['unknown', 'closed', 'unknown'],
    );
    assert.deepEqual([client.updates.at(-1)?.state, client.updates.at(-1)?.failure?.code], ['ended', 'closed']);
    assert.equal(codeOf(client, client.ask('read')), 'closed');
    client.subscribe();
    assert.equal(client.updates.at(-1)?.state, 'ended');
  });
});

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
