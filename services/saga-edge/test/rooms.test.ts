import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type RunnableCall, type RunnableLog, reportRunnable } from '@polyedge/contracts/bus/runnables';
import { runnerAlive } from '@polyedge/contracts/bus/runner';
import type { Bus } from '@polyedge/service-kit/bus';
import { silentLog } from '@polyedge/service-kit/log';
import { connectNatsBus } from '@polyedge/service-kit/nats-bus';
import { rest, type Session, session } from './client.ts';
import { ADMIN, type System, startSystem } from './system.ts';

let system: System;
let url: string;
let boss: Session;
let bus: Bus;
let scope: string;
const open: { close(): void }[] = [];

before(async () => {
  system = await startSystem();
  url = system.saga.url;
  boss = await admin();
  const connected = await connectNatsBus({
    url: system.natsUrl,
    service: 'runner',
    instance: 'test',
    credentials: { kind: 'none' },
    log: silentLog,
  });
  assert.ok(connected.ok);
  bus = connected.value;
  scope = JSON.parse(Buffer.from(boss.token.split('.')[1] ?? '', 'base64url').toString('utf8')).data['default-scope'];
});
after(async () => {
  for (const client of open) client.close();
  await bus.close();
  await system[Symbol.asyncDispose]();
});

async function admin(): Promise<Session> {
  const client = await session(url, ADMIN);
  open.push(client);
  return client;
}

async function person(username: string): Promise<Session> {
  const password = `${username}-password`;
  assert.equal((await rest(url)('POST', '/users/register', { username, password })).status, 200);
  const client = await session(url, { username, password });
  open.push(client);
  return client;
}

const makeBot = async (data: object = {}): Promise<string> => (await boss.api('POST', '/bots', { name: 'bot', ...data })).body._id;
const names = (client: Session): string[] => client.log.flatMap((entry) => ('ev' in entry ? [entry.ev] : []));

async function makeScript(plural: 'scripts' | 'jobs', data: object = {}): Promise<string> {
  const made = await boss.api('POST', `/${plural}`, {
    name: 'one',
    body: 'return 1',
    ...(plural === 'scripts' ? { path: '/users/properties/score' } : { schedule: 'every 5 m' }),
    ...data,
  });
  assert.equal(made.status, 200, JSON.stringify(made.body));
  return made.body._id;
}

async function report(body: { readonly call: RunnableCall } | { readonly log: RunnableLog }): Promise<void> {
  const subject = reportRunnable.subject({ tenant: 'default' });
  const reported = await bus.request(reportRunnable, subject, { defaultScope: scope, report: body }, { timeoutMs: 30_000 });
  assert.ok(reported.ok, JSON.stringify(reported));
}

let calls = 0;
function callOf(runnableType: 'scripts' | 'jobs', runnable: string): RunnableCall {
  calls += 1;
  return {
    ...{ id: `call${calls}`, runnableType, runnable, startedAt: 1_000_000, finishedAt: 1_000_020, success: false },
    ...{ error: { message: 'no', stack: 'at' }, logCount: 1, context: { property_id: 'p' }, creator: { type: 'scripts', id: runnable } },
  };
}

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

test('saga:24 calls and logs of runnables are stored, listed, and sent to the room of one, or of all of a kind', async () => {
  const [script, other, job] = await Promise.all([makeScript('scripts', { logging: true }), makeScript('scripts'), makeScript('jobs')]);
  const [one, allScripts, jobs, logs] = await Promise.all([admin(), admin(), admin(), admin()]);
  await one.send('/scripts/runnable_calls/join', script);
  await allScripts.send('/scripts/runnable_calls/join');
  await jobs.send('/jobs/runnable_calls/join', null);
  await logs.send('/scripts/runnable_logs/join', script);
  const call = callOf('scripts', script);
  await report({
    log: { id: 'log1', runnableType: 'scripts', runnable: script, call: call.id, level: 'warn', message: 'm', args: [1], at: 5 },
  });
  await report({ call });
  await report({ call });
  await report({ call: callOf('scripts', other) });
  await report({ call: callOf('jobs', job) });
  await allScripts.next('/runnable_calls', 2);
  await jobs.next('/runnable_calls');
  await one.next('/runnable_calls');
  await logs.next('/runnable_logs');
  assert.deepEqual(
    allScripts.events('/runnable_calls').map(({ runnable_id }) => runnable_id),
    [script, other],
  );
  assert.deepEqual(
    jobs.events('/runnable_calls').map(({ runnable_id }) => runnable_id),
    [job],
  );
  assert.deepEqual(
    one.events('/runnable_calls').map(({ _id, id, success, duration, error }) => [_id, id, success, duration, error.message]),
    [[call.id, call.id, false, 20, 'no']],
  );
  assert.deepEqual(one.events('/runnable_logs'), [], 'logs do not come through a join of calls');
  assert.deepEqual(
    logs.events('/runnable_logs').map(({ runnable_call_id, level, message }) => [runnable_call_id, level, message]),
    [[call.id, 'warn', 'm']],
  );
  assert.equal((await boss.api('GET', `/scripts/${script}/runnable_calls`)).body.length, 1);
  assert.equal((await boss.api('GET', '/scripts/runnable_calls')).body.length >= 2, true);
  assert.equal((await boss.api('GET', `/runnable_calls/${call.id}`)).body.runnable_id, script);
  assert.equal((await boss.api('GET', `/runnable_calls/${call.id}/logs`)).body[0].message, 'm');
  // What a client missed, as it was told to others.
  const calls = `/scripts/${script}/runnable_calls/stream`;
  const [missed, ...rest] = (await boss.api('GET', calls)).body;
  assert.deepEqual([missed, rest], [one.events('/runnable_calls')[0], []]);
  assert.deepEqual((await boss.api('GET', `${calls}?sortable_id=${missed.sortable_id}`)).body, []);
  assert.ok((await boss.api('GET', '/scripts/runnable_calls/stream')).body.length >= 2);
  assert.equal((await boss.api('GET', `/scripts/${script}/runnable_logs`)).body.length, 1);
});

test('saga:24 saving code creates a version that only its own room receives, and an older one can be restored', async () => {
  const [script, other] = await Promise.all([makeScript('scripts'), makeScript('scripts')]);
  const [one, two] = await Promise.all([admin(), admin()]);
  await one.send('/scripts/versions/join', script);
  await two.send('/scripts/versions/join', other);
  const saved = await boss.api('PUT', `/scripts/${script}`, { body: 'return 2' });
  assert.equal(saved.body.version, 2);
  await boss.api('PUT', `/scripts/${script}`, { notes: 'no code' });
  const versions = (await boss.api('GET', `/scripts/${script}/versions`)).body;
  assert.deepEqual(
    versions.map(({ version }: { version: number }) => version),
    [2, 1],
  );
  const restored = await boss.api('PUT', `/scripts/${script}/versions/${versions[1]._id}/restore`);
  assert.deepEqual([restored.body.body, restored.body.version], ['return 1', 3]);
  await one.next('/runnable_versions', 2);
  assert.deepEqual(
    one.events('/runnable_versions').map(({ version, body, runnable_id }) => [version, body, runnable_id]),
    [
      [2, 'return 2', script],
      [3, 'return 1', script],
    ],
  );
  await boss.api('PUT', `/scripts/${other}`, { body: 'return 9' });
  assert.equal((await two.next('/runnable_versions')).body, 'return 9');
  for (const [plural, body, field] of [
    ['scripts', { body: 'return (', path: '/users/properties/a' }, 'body'],
    ['scripts', { body: 'return 1', path: '/nowhere' }, 'path'],
    ['jobs', { body: 'return 1', schedule: 'sometimes' }, 'schedule'],
  ] as const) {
    const refused = await boss.api('POST', `/${plural}`, body);
    assert.deepEqual([refused.status, typeof refused.body.errors[field]], [422, 'string']);
  }
  assert.deepEqual((await boss.api('DELETE', `/scripts/${other}`)).body, { ok: 1 });
  assert.equal((await boss.api('GET', `/scripts/${other}`)).body.message, 'Script does not exist');
});

test("saga:34 a job joined under the documentation's wrong name is taken for a job", async () => {
  const job = await makeScript('jobs');
  const client = await admin();
  assert.equal((await client.send('/scripts/runnable_calls/join', job)).status_code, 200);
  assert.equal((await client.send('/scripts/versions/join', job)).status_code, 200);
  await report({ call: callOf('jobs', job) });
  assert.equal((await client.next('/runnable_calls')).runnable_id, job);
  await boss.api('PUT', `/jobs/${job}`, { schedule: '*/5 * * * *' });
  assert.equal((await client.next('/runnable_versions')).schedule, '*/5 * * * *');
  assert.equal((await client.send('/scripts/versions/leave', job)).status_code, 200);
  await boss.api('PUT', `/jobs/${job}`, { schedule: 'every 2 h' });
  assert.equal((await client.send('/jobs/runnable_calls/join', job)).status_code, 200);
  assert.equal(client.events('/runnable_versions').length, 1);
});

test('saga:33 packages are listed and sent to rooms, and not installed without a runner that may', async () => {
  const client = await admin();
  assert.deepEqual((await boss.api('POST', '/npm_packages', { package_name: 'left-pad@1' })).body, {
    status_code: 503,
    name: 'Service Unavailable',
    message: 'no runner',
  });
  const ready = (): Promise<string> => fetch(`${url}/readyz`).then((response) => response.text());
  assert.match(await ready(), /no runner/);
  bus.publish(runnerAlive, {}, { instance: 'one', packages: false });
  while ((await ready()).includes('no runner')) await bus.flush(1000);
  await client.send('/npm_packages/join', 'whatever');
  const made = await boss.api('POST', '/npm_packages', { package_name: 'left-pad@1' });
  assert.deepEqual([made.body.package_name, made.body.failed_install_attempts], ['left-pad@1', 1]);
  assert.equal((await client.next('/npm_packages')).package_name, 'left-pad@1');
  assert.equal((await boss.api('POST', '/npm_packages', { package_name: 'left-pad@1' })).status, 422);
  assert.equal((await boss.api('PUT', `/npm_packages/${made.body._id}`, {})).body.failed_install_attempts, 2);
  assert.deepEqual(
    (await boss.api('GET', '/npm_packages')).body.map(({ package_name }: { package_name: string }) => package_name),
    ['left-pad@1'],
  );
  assert.deepEqual((await boss.api('DELETE', `/npm_packages/${made.body._id}`)).body, { ok: 1 });
  const gone = await client.next('/npm_packages', 3);
  assert.deepEqual([gone.package_name, gone.deleted], ['left-pad@1', true]);
});
