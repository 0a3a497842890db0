/** Scripts and jobs on the whole system, with real clients. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rest } from '../services/saga-edge/test/client.ts';
import { admin, boss, callOf, callsOf, make, makeBot, script, system, url } from './runnables/scripts-scene.ts';

test('S1 saga:22 saga:23 a property script writes another property, which says what made it', async () => {
  const bot = await makeBot();
  const client = await admin();
  await client.send('/bots/join', bot);
  const id = await script('/bots/properties/score', 'await BotProperty.add("double", property.value * 2, parent._id);');
  await client.send('/bots/properties', { name: 'score', parent_id: bot, value: 21 });
  await client.next('/properties', 2);
  const [first, second] = client.events('/properties');
  assert.deepEqual([second.name, second.value, second.parent_id], ['double', 42, bot]);
  assert.deepEqual(second.source_creator, { type: 'scripts', id });
  assert.deepEqual(second.source_property, { id: first._id });
  const call = await callOf(id);
  assert.deepEqual([second.runnable_call, second.runnable_call_id], [call._id, call._id]);
  assert.deepEqual([call.success, call.error, call.context.property_id], [true, null, first._id]);
  assert.ok(call.cpu_ms > 0 && call.memory_bytes > 0);
  // The next write by another writer does not mention the script.
  const again = await client.send('/bots/properties/incr', { name: 'double', parent_id: bot, value: 1 });
  assert.deepEqual([again.body.value, again.body.runnable_call, again.body.source_property], [43, undefined, undefined]);
});

test('S2 saga:24 log lines are delivered as they are written, before the finished call, and only if logging is enabled', async () => {
  const client = await admin();
  const body = 'console.log("first", { n: property.value }); console.error("second");';
  const [loud, silent] = [
    await script('/globals/properties/said', body, { logging: true }),
    await script('/globals/properties/said', body),
  ];
  for (const id of [loud, silent]) await client.send('/scripts/runnable_logs/join', id);
  await client.send('/scripts/runnable_calls/join', loud);
  await boss.send('/globals/properties', { name: 'said', value: 7 });
  const call = await client.next('/runnable_calls');
  const seen = client.log.flatMap((entry) => ('ev' in entry && entry.ev.startsWith('/runnable') ? [entry.ev] : []));
  assert.deepEqual(seen, ['/runnable_logs', '/runnable_logs', '/runnable_calls']);
  const [first, second] = client.events('/runnable_logs');
  assert.deepEqual([first.level, first.message, first.args], ['log', 'first {"n":7}', ['first', { n: 7 }]]);
  assert.deepEqual([second.level, second.message, second.runnable_call_id], ['error', 'second', call._id]);
  assert.equal(call.log_count, 2);
  await callOf(silent);
  const kept = await boss.api('GET', `/scripts/${silent}/runnable_logs`);
  assert.deepEqual(kept.body, []);
  assert.equal((await boss.api('GET', `/runnable_calls/${call._id}/logs`)).body.length, 2);
});

test('saga:24 every line of a burst is kept and delivered, in order', async () => {
  const client = await admin();
  const id = await script('/globals/properties/burst', 'for (let n = 0; n < 40; n += 1) console.log(n);', { logging: true });
  await client.send('/scripts/runnable_logs/join', id);
  await client.send('/scripts/runnable_calls/join', id);
  await boss.send('/globals/properties', { name: 'burst', value: 1 });
  await client.next('/runnable_calls');
  const lines = client.events('/runnable_logs').map(({ message }) => message);
  assert.deepEqual(
    lines,
    Array.from({ length: 40 }, (_, n) => `${n}`),
  );
});

test('S3 saga:22 a script that throws, loops, floods or sleeps ends as a failed call with a reason, and others continue', async () => {
  const bot = await makeBot();
  const bad: readonly (readonly [string, RegExp])[] = [
    ['\n\nthrow new TypeError("no")', /^TypeError: no$/],
    ['for (;;) {}', /\(cpu\)/],
    ['await null; for (;;) {}', /\(cpu\)/],
    ['const all = []; for (;;) all.push(new Array(5000000).fill(1.5));', /\((memory|cpu)\)/],
    ['for (;;) console.log("x");', /\(log\)/],
    ['for (;;) GlobalProperty.get("x");', /\(calls per second\)/],
    ['await new Promise(() => {});', /\(wall clock\)/],
    ['setTimeout(() => { throw new Error("late"); }, 1); await new Promise((r) => setTimeout(r, 500));', /^Error: late$/],
    ['throw { get message() { throw new Error("again"); } };', /^Error: $/],
  ];
  const ids = await Promise.all(bad.map(([body]) => script('/bots/properties/trouble', body)));
  const good = await script('/bots/properties/trouble', 'await BotProperty.add("fine", 1, property.parent_id);');
  await boss.send('/bots/properties', { name: 'trouble', parent_id: bot, value: 1 });
  assert.equal((await callOf(good)).success, true);
  for (const [at, id] of ids.entries()) {
    const call = await callOf(id);
    assert.equal(call.success, false);
    // On a busy machine, the time limit is reached first.
    if (!/\((cpu|wall clock)\)/.test(call.error.message)) assert.match(call.error.message, bad[at]?.[1] ?? /^$/, bad[at]?.[0]);
  }
  // The line is the script's own.
  assert.match(callsOf(ids[0] ?? '')[0].error.stack, /^TypeError: no\n +at \/scripts\/one:3:\d+$/);
  assert.equal((await fetch(`http://127.0.0.1:${system.runner.port}/readyz`)).status, 200);
  assert.equal((await boss.api('GET', `/bots/${bot}/properties/fine`)).body.value, 1);
  for (const id of ids) await boss.api('DELETE', `/scripts/${id}`);
});

test('S4 saga:24 saving a script twice publishes its versions to its own room only, and the next run uses the new one', async () => {
  const client = await admin();
  const [one, other] = [
    await script('/globals/properties/edited', 'await GlobalProperty.add("is", 1);'),
    await script('/globals/properties/x', ''),
  ];
  await client.send('/scripts/versions/join', one);
  await boss.api('PUT', `/scripts/${other}`, { body: '// another' });
  await boss.api('PUT', `/scripts/${one}`, { body: 'await GlobalProperty.add("is", 2);' });
  await boss.api('PUT', `/scripts/${one}`, { body: 'await GlobalProperty.add("is", 3);' });
  await client.next('/runnable_versions', 2);
  assert.deepEqual(
    client.events('/runnable_versions').map(({ version, runnable_id }) => [version, runnable_id]),
    [
      [2, one],
      [3, one],
    ],
  );
  await boss.send('/globals/properties', { name: 'edited', value: 1 });
  const call = await callOf(one);
  assert.equal((await boss.api('GET', '/globals/properties/is')).body.value, 3);
  assert.equal(call.runnable_version_id, client.events('/runnable_versions')[1]._id);
});

test('S5 saga:25 a job runs by its schedule and by hand, its writes name it, and its calls are sent to the room of jobs', async () => {
  const client = await admin();
  await client.send('/globals/join');
  const id = await make('jobs', { body: 'await GlobalProperty.incr("ticks", 1);', schedule: 'every 1 s' });
  await client.send('/jobs/runnable_calls/join', id);
  await client.until(() => client.events('/properties').some(({ name }) => name === 'ticks'), 'the job did not run');
  const written = client.events('/properties').find(({ name }) => name === 'ticks');
  assert.deepEqual(written.source_creator, { type: 'job', id });
  const call = await client.next('/runnable_calls');
  assert.deepEqual([call.runnable_type, call.runnable_id, call.success], ['jobs', id, true]);
  const job = (await boss.api('GET', `/jobs/${id}`)).body;
  assert.ok(Date.parse(job.next_run_at) > Date.parse(job.last_run_at));
  await boss.api('PUT', `/jobs/${id}`, { enabled: false });
  const started = await boss.api('POST', `/jobs/${id}/run`);
  assert.equal(started.status, 200, JSON.stringify(started.body));
  await client.until(() => client.events('/runnable_calls').some(({ _id }) => _id === started.body.runnable_call_id), 'no run by hand');
  assert.equal((await boss.api('POST', '/jobs/nobody/run')).status, 404);
});

test('saga:25 a job does not overlap with itself', async () => {
  const bot = await makeBot();
  const id = await make('jobs', {
    body: `while ((await BotProperty.get("go", "${bot}")) === null) await new Promise((done) => setTimeout(done, 30));`,
  });
  assert.equal((await boss.api('POST', `/jobs/${id}/run`)).status, 200);
  assert.equal((await boss.api('POST', `/jobs/${id}/run`)).status, 429);
  await boss.send('/bots/properties', { name: 'go', parent_id: bot, value: 1 });
  await callOf(id);
});

test('M2 M3 saga:22 a bot answers by itself; sent fires once, also without a recipient', async () => {
  const bot = await makeBot();
  await boss.send('/bots/join', bot);
  await boss.send('/users/join', boss.me);
  const answers = await script(
    '/bots/messages/incoming',
    `if (bot._id !== "${bot}") return;
     await Message.send({ sender_id: bot._id, sender_type: "Bot", user_ids: [sender._id], body: sender_type + " said " + message.body });`,
  );
  const sent = await script('/users/messages/sent', 'await UserProperty.incr("sent", user._id, 1);');
  await boss.send('/users/message', { user_id: boss.me, bot_id: bot, body: 'hello' });
  await boss.until(() => boss.events('/messages/incoming').some(({ from }) => from === 'bot'), 'the bot is silent');
  const answer = boss.events('/messages/incoming').find(({ from }) => from === 'bot');
  const call = await callOf(answers);
  assert.deepEqual([answer.body, answer.user_id, answer.bot_id], ['User said hello', boss.me, bot]);
  assert.deepEqual([answer.source_creator, answer.runnable_call_id], [{ type: 'scripts', id: answers }, call._id]);
  await callOf(sent);
  assert.equal((await boss.send('/users/message', { user_id: boss.me, body: 'to nobody' })).status_code, 200);
  await callOf(sent, 2);
  assert.equal((await boss.api('GET', `/users/${boss.me}/properties/sent`)).body.value, 2);
});

test('J4 saga:24 joins without an id receive all scripts, or all jobs, and nothing else', async () => {
  const client = await admin();
  await client.send('/scripts/runnable_calls/join');
  const [a, b] = [await script('/globals/properties/j4', ''), await script('/globals/properties/j4', '')];
  const job = await make('jobs', { body: '' });
  await boss.api('POST', `/jobs/${job}/run`);
  await callOf(job);
  await boss.send('/globals/properties', { name: 'j4', value: 1 });
  await client.next('/runnable_calls', 2);
  assert.deepEqual(new Set(client.events('/runnable_calls').map(({ runnable_id }) => runnable_id)), new Set([a, b]));
});

test('saga:22 signals and new users fire their scripts; a script emits signals', async () => {
  const bot = await makeBot();
  const client = await admin();
  await client.send('/bots/join', bot);
  await script('/bots/signals/wave', 'await BotSignal.emit("waved", { by: signal.value, to: parent.name }, signal.parent_id);');
  const created = await script('/users/events/create', 'await UserProperty.add("welcome", "hello " + user.username, user._id);');
  await client.send('/bots/signals', { name: 'wave', parent_id: bot, value: 5 });
  await client.next('/signals', 2);
  assert.deepEqual(client.events('/signals')[1].value, { by: 5, to: 'bot' });
  const newcomer = await rest(url)('POST', '/users/register', { username: 'newcomer', password: 'newcomer-password' });
  await callOf(created);
  assert.equal((await boss.api('GET', `/users/${newcomer.body._id}/properties/welcome`)).body.value, 'hello newcomer');
});

for (const [generation, transports] of [
  [2, ['polling']],
  [3, ['websocket']],
] as const) {
  test(`S1 socket.io-client ${generation} receives what a script writes, and its call`, async () => {
    const client = await admin(transports, generation);
    const id = await script(`/globals/properties/gen${generation}`, `await GlobalProperty.add("heard${generation}", property.value);`);
    await client.send('/globals/join');
    await client.send('/scripts/runnable_calls/join', id);
    await client.send('/globals/properties', { name: `gen${generation}`, value: 9 });
    await client.next('/runnable_calls');
    assert.ok(client.events('/properties').some(({ name, value }) => name === `heard${generation}` && value === 9));
  });
}
