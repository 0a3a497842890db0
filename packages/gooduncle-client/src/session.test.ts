/** The session in conversations of our own making: no clock, no network. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { codeOf } from '../test/code-of.ts';
import { Conversation } from '../test/conversation.ts';

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

  test('a login after a reconnection whose token does not come, or that is not answered, is tried again on another connection', () => {
    const client = Conversation.open();
    client.ask('upgrade', { login: 'u', fresh: true });
    client.handle({ kind: 'credentials', ref: client.wanted[0] ?? '', text: '{"type":"upgrade"}' });
    client.answer(client.one(), { last: true });
    client.reconnect();
    assert.equal(client.wanted.length, 2);
    const before = client.connects;
    client.pass(30_000);
    assert.match(client.statuses.at(-1)?.ended?.means ?? '', /login was not answered/);
    client.pass(1000, false);
    assert.equal(client.connects, before + 1);
    client.handle({ kind: 'connected' });
    client.handle({ kind: 'credentials', ref: client.wanted[2] ?? '', text: '{"type":"upgrade"}' });
    assert.equal(client.one().type, 'upgrade');
    client.pass(30_000);
    assert.match(client.statuses.at(-1)?.ended?.means ?? '', /login was not answered/);
  });

  test('a create is not repeated when the server may have forgotten its `once`', () => {
    const client = Conversation.open(3_600_000);
    const creates = [client.ask('create', {}, { once: 'k' }), client.ask('create', {}, { once: 'l' })];
    const [first, second] = client.sent();
    assert.ok(first !== undefined && second !== undefined);
    client.handle({ kind: 'disconnected', code: 1006 });
    client.pass(500_000, false);
    client.handle({ kind: 'hurry' });
    client.handle({ kind: 'connected' });
    assert.deepEqual(
      client.sent().map(({ once }) => once),
      ['k', 'l'],
    );
    client.answer(first, { payload: { id: 'a' }, last: true, version: 3 });
    client.handle({ kind: 'disconnected', code: 1006 });
    client.pass(100_000, false);
    client.handle({ kind: 'hurry' });
    client.handle({ kind: 'connected' });
    assert.deepEqual(client.sent(), []);
    assert.deepEqual(
      creates.map((create) => codeOf(client, create)),
      ['ok', 'unknown'],
    );
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
