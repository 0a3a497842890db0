/** Rooms: joining them, and what they receive of properties, messages and signals. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeBot, makeScript, names, person } from './rooms-scene.ts';
import { admin, boss } from './saga-scene.ts';

test('saga:7 every pair accepts its payload in every form, answers 200 twice, and delivers only between join and leave', async () => {
  const client = await admin();
  const bot = await makeBot();
  const [script, job] = await Promise.all([makeScript('scripts'), makeScript('jobs')]);
  const pairs: readonly (readonly [string, string | undefined])[] = [
    ['/users', client.me],
    ['/bots', bot],
    ['/globals', undefined],
    ['/scripts/runnable_calls', script],
    ['/scripts/runnable_calls', undefined],
    ['/jobs/runnable_calls', job],
    ['/scripts/runnable_logs', script],
    ['/jobs/runnable_logs', job],
    ['/scripts/versions', script],
    ['/jobs/versions', job],
    ['/npm_packages', undefined],
  ];
  for (const [base, id] of pairs) {
    const forms: readonly (readonly unknown[])[] = id === undefined ? [[], [''], [null], [undefined]] : [[id], [{ id }], [{ _id: id }]];
    for (const form of forms) {
      assert.deepEqual((await client.send(`${base}/join`, ...form)).body, { ok: 1 }, `${base} ${JSON.stringify(form)}`);
      assert.equal((await client.send(`${base}/leave`, ...form)).status_code, 200);
      assert.equal((await client.send(`${base}/leave`, ...form)).status_code, 200);
    }
  }
  client.emit('/globals/join');
  client.emit('/globals/join', '');
  await client.send('/globals/join');
  await boss.send('/globals/properties', { name: 'heard', value: 1 });
  await client.next('/properties');
  await client.send('/globals/leave', '');
  await boss.send('/globals/properties', { name: 'unheard', value: 1 });
  await client.send('/globals/join');
  await boss.send('/globals/properties', { name: 'heard-again', value: 1 });
  await client.next('/properties', 2);
  assert.deepEqual(
    client.events('/properties').map(({ name }) => name),
    ['heard', 'heard-again'],
  );
});

test('saga:7 saga:6 joining an unknown, missing, or forbidden room is answered 404, 400 and 403', async () => {
  const user = await person('jo');
  for (const base of ['/users', '/bots', '/scripts/runnable_logs', '/jobs/versions']) {
    assert.equal((await boss.send(`${base}/join`, 'nobody')).status_code, 404, base);
    assert.equal((await boss.send(`${base}/join`)).status_code, 400, base);
    assert.equal((await boss.send(`${base}/join`, '')).status_code, 400, base);
    assert.equal((await boss.send(`${base}/join`, 7)).status_code, 400, base);
  }
  for (const [event, id] of [
    ['/users/join', boss.me],
    ['/scripts/runnable_calls/join', undefined],
    ['/npm_packages/join', undefined],
  ] as const) {
    const refused = await user.send(event, id);
    assert.deepEqual([refused.status_code, refused.body.message], [403, 'Insufficient Permissions']);
  }
  assert.equal((await user.send('/users/join', user.me)).status_code, 200);
  assert.equal((await user.send('/bots/join', await makeBot())).status_code, 200);
});

test('saga:11 saga:20 a user writes to a bot: outgoing for one room, incoming for the other, the older name once, all before the answer', async () => {
  const [client, userOnly, botOnly] = await Promise.all([admin(), admin(), admin()]);
  const bot = await makeBot();
  await client.send('/users/join', client.me);
  await client.send('/bots/join', bot);
  await userOnly.send('/users/join', client.me);
  await botOnly.send('/bots/join', bot);
  const ack = await client.send('/users/message', { user_id: client.me, bot_id: bot, body: 'hello' });
  assert.equal(ack.status_code, 200);
  assert.deepEqual(names(client).slice(1).sort(), ['/messages', '/messages/incoming', '/messages/outgoing']);
  assert.ok('ack' in (client.log.at(-1) ?? {}));
  await Promise.all([userOnly.next('/messages'), botOnly.next('/messages')]);
  assert.deepEqual(names(userOnly).slice(1).sort(), ['/messages', '/messages/outgoing']);
  assert.deepEqual(names(botOnly).slice(1).sort(), ['/messages', '/messages/incoming']);
  const {
    from,
    user_id,
    bot_id,
    user,
    bot: named,
    sender_id,
    sender_type,
    user_ids,
    bot_ids,
    body,
    source_creator,
  } = client.events('/messages')[0];
  assert.deepEqual(
    { from, user_id, bot_id, user, named, sender_id, sender_type, user_ids, bot_ids, body, source_creator },
    {
      from: 'user',
      user_id: client.me,
      bot_id: bot,
      user: { username: 'admin', displayname: 'admin' },
      named: { name: 'bot' },
      sender_id: client.me,
      sender_type: 'User',
      user_ids: [client.me],
      bot_ids: [bot],
      body: 'hello',
      source_creator: { type: 'socket' },
    },
  );
});

test('saga:11 saga:20 bots send messages too, each of several recipients gets its own copy, and a message without recipients is only outgoing', async () => {
  const client = await admin();
  const [one, other] = [await makeBot(), await makeBot()];
  await client.send('/bots/join', one);
  await client.send('/bots/join', other);
  await client.send('/users/join', client.me);
  await client.send('/users/message', {
    user_id: client.me,
    bot_ids: [one, other],
    body: 'both',
    context: { a: 1 },
    attachments: [{ url: 'u', mime_type: 'm' }],
  });
  assert.deepEqual(
    client
      .events('/messages/incoming')
      .map(({ bot_id }) => bot_id)
      .sort(),
    [one, other].sort(),
  );
  assert.equal(client.events('/messages').length, 1);
  const spoken = await client.send('/bots/message', { bot_id: one, user_id: client.me, body: 'hi' });
  assert.deepEqual([spoken.body.from, spoken.body.sender_id, spoken.body.user_id], ['bot', one, client.me]);
  const lonely = await client.send('/users/message', { user_id: client.me, body: 'echo' });
  assert.equal(lonely.status_code, 200);
  assert.deepEqual([client.events('/messages/outgoing').length, client.events('/messages/incoming').length], [3, 3]);
  for (const [payload, status] of [
    [{ user_id: client.me, bot_id: one }, 422],
    [{ user_id: client.me, bot_id: one, body: '' }, 422],
    [{ user_id: client.me, bot_id: one, body: 7 }, 422],
    [{ user_id: client.me, bot_id: 'nobody', body: 'x' }, 404],
    [{ user_id: 'nobody', bot_id: one, body: 'x' }, 404],
    [{ bot_id: one, body: 'x' }, 400],
    [{ user_id: client.me, bot_ids: 'x', body: 'x' }, 422],
    [{ user_id: client.me, bot_ids: [7], body: 'x' }, 422],
    [{ user_id: client.me, attachments: [1], body: 'x' }, 422],
    ['x', 400],
  ] as const) {
    assert.equal((await client.send('/users/message', payload)).status_code, status, JSON.stringify(payload));
  }
  const user = await person('mia');
  assert.equal((await user.send('/users/message', { user_id: client.me, bot_id: one, body: 'forged' })).status_code, 403);
  assert.equal((await user.send('/bots/message', { bot_id: one, user_id: user.me, body: 'forged' })).status_code, 403);
});

test('saga:19 saga:29 messages over REST are listed newest first in pages, sent and found one by one', async () => {
  const bot = await makeBot();
  const listener = await admin();
  await listener.send('/bots/join', bot);
  for (const body of ['1', '2', '3']) {
    const sent = await boss.api('POST', `/users/${boss.me}/messages/`, { bot_ids: [bot], body, context: { n: body } });
    assert.deepEqual(sent.body.source_creator, { type: 'rest' });
  }
  await listener.next('/messages/incoming', 3);
  const page = await boss.api('GET', `/bots/${bot}/messages/?limit=2`);
  assert.deepEqual(
    page.body.map(({ body }: { body: string }) => body),
    ['3', '2'],
  );
  assert.match(page.link ?? '', new RegExp(`^</bots/${bot}/messages/\\?limit=2&page=2>; rel="next"$`));
  const second = await boss.api('GET', `/bots/${bot}/messages?page=2&limit=2`);
  assert.deepEqual(
    second.body.map(({ body }: { body: string }) => body),
    ['1'],
  );
  assert.match(second.link ?? '', /rel="prev"$/);
  const [{ _id }] = second.body;
  assert.equal((await boss.api('GET', `/users/${boss.me}/messages/${_id}`)).body.body, '1');
  assert.equal((await boss.api('GET', `/users/${boss.me}/messages/nothing`)).body.message, 'Message does not exist');
});

test('saga:21 signals reach who joined their parent, the sender before its answer, and are stored nowhere', async () => {
  const [client, other] = await Promise.all([admin(), admin()]);
  const bot = await makeBot();
  await client.send('/bots/join', bot);
  await other.send('/bots/join', bot);
  await other.send('/globals/join');
  const ack = await client.send('/bots/signals', { parent_id: bot, name: 'wave', value: [1] });
  const [event] = client.log.slice(-2);
  assert.ok(event !== undefined && 'ev' in event && event.ev === '/signals');
  const { parent_type, parent_id, name, value, source_creator } = event.payload;
  assert.deepEqual(
    { parent_type, parent_id, name, value, source_creator },
    { parent_type: 'bot', parent_id: bot, name: 'wave', value: [1], source_creator: { type: 'socket' } },
  );
  assert.deepEqual(ack.body, event.payload);
  await boss.api('POST', '/globals/signals', { name: 'all', value: null });
  await other.next('/signals', 2);
  assert.deepEqual(
    other.events('/signals').map((signal) => [signal.name, signal.parent_id, signal.source_creator.type]),
    [
      ['wave', bot, 'socket'],
      ['all', null, 'rest'],
    ],
  );
  assert.equal((await client.send('/bots/signals', { parent_id: 'nobody', name: 'wave' })).status_code, 404);
  assert.equal((await client.send('/bots/signals', { parent_id: bot, name: 'a b' })).status_code, 422);
  assert.equal(client.events('/properties').length, 0);
});
