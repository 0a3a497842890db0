/** Scripts and jobs on the whole system, with real clients. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { until } from '@polyedge/testkit/until';
import { type Ack, type Generation, rest, type Session, session, type Transports } from '../services/saga-edge/test/client.ts';
import { startRegistry } from '../services/saga-runner/test/registry.ts';
import { ADMIN, type System, startSystem } from './runnables/system.ts';

let system: System;
let registry: Awaited<ReturnType<typeof startRegistry>>;
let url: string;
let boss: Session;
const open: { close(): void }[] = [];

before(async () => {
  registry = await startRegistry([
    { name: 'greets', version: '1.0.0', files: { 'index.js': 'module.exports = (name) => "hello " + name;' } },
    { name: 'greets', version: '2.0.0', files: { 'index.js': 'module.exports = (name) => "hi " + name;' } },
    { name: 'reads', version: '1.0.0', files: { 'index.js': 'require("fs");' } },
  ]);
  system = await startSystem({
    runner: {
      RUNNER_PACKAGES: 'true',
      RUNNER_REGISTRY: registry.url,
      RUNNER_WALL_MS: '3s',
      RUNNER_CPU_MS: '1s',
      RUNNER_MEMORY_MB: '48',
      RUNNER_MAX_LOG_LINES: '50',
      RUNNER_MAX_FIRED: '24',
    },
  });
  url = system.saga.url;
  boss = await admin();
  await boss.send('/scripts/runnable_calls/join');
  await boss.send('/jobs/runnable_calls/join');
});
after(async () => {
  for (const client of open) client.close();
  await system[Symbol.asyncDispose]();
  await registry[Symbol.asyncDispose]();
});

async function admin(transports: Transports = ['websocket'], generation: Generation = 4): Promise<Session> {
  const client = await session(url, ADMIN, transports, generation);
  open.push(client);
  return client;
}

const makeBot = async (data: object = {}): Promise<string> => (await boss.api('POST', '/bots', { name: 'bot', ...data })).body._id;

async function make(plural: 'scripts' | 'jobs', data: object): Promise<string> {
  const made = await boss.api('POST', `/${plural}`, { name: 'one', ...data });
  assert.equal(made.status, 200, JSON.stringify(made.body));
  return made.body._id;
}

const script = (path: string, body: string, data: object = {}): Promise<string> => make('scripts', { path, body, ...data });

const callsOf = (id: string): Ack['body'][] => boss.events('/runnable_calls').filter((call) => call.runnable_id === id);

/** The n-th call of a runnable. */
async function callOf(id: string, count = 1): Promise<Ack['body']> {
  // Runs that exceed their limits one after the other take a while on a busy machine.
  return until(`there is call ${count} of ${id}`, () => callsOf(id)[count - 1]);
}

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

test('saga:32 an HTTP script is called with method, query, headers and body, and answers with status, headers and body', async () => {
  const body = `const { method, query, body } = request;
    response.status(201).set("x-made-by", "script").json({ method, query, body, kind: typeof request.headers["user-agent"], token: request.headers["access-token"] ?? null });`;
  await script('/requests/echo', body);
  const ask = (init: RequestInit, path = '/requests/echo?a=1&a=2') =>
    fetch(url + path, { ...init, headers: { 'access-token': boss.token, 'content-type': 'application/json', ...init.headers } });
  const posted = await ask({ method: 'POST', body: '{"n":1}' });
  assert.deepEqual([posted.status, posted.headers.get('x-made-by')], [201, 'script']);
  assert.deepEqual(await posted.json(), { method: 'POST', query: { a: '2' }, body: { n: 1 }, kind: 'string', token: null });
  // JSON that is nested too deep is text like any other that is no JSON, and ends nothing.
  for (const text of ['{', `${'['.repeat(20_000)}${']'.repeat(20_000)}`]) {
    const echoed = await ask({ method: 'POST', body: text });
    assert.deepEqual(await echoed.json(), { method: 'POST', query: { a: '2' }, body: text, kind: 'string', token: null });
  }
  assert.equal((await ask({ method: 'GET' })).status, 201);
  assert.equal((await ask({ method: 'GET' }, '/requests/nothing')).status, 404);
  assert.equal((await fetch(`${url}/requests/echo`)).status, 401);
  await script('/requests/returns', 'return { plain: true };');
  assert.deepEqual(await (await ask({ method: 'GET' }, '/requests/returns')).json(), { plain: true });
  const logs = await script(
    '/requests/logs',
    'let deep = []; for (let n = 0; n < 20000; n += 1) deep = [deep]; console.log("deep", deep); return deep;',
  );
  const deep = await ask({ method: 'GET' }, '/requests/logs');
  assert.ok(deep.status === 200 || deep.status === 500, await deep.text());
  await callOf(logs);
  await script('/requests/fails', 'throw new Error("secret of the author");');
  const failed = await ask({ method: 'GET' }, '/requests/fails');
  assert.equal(failed.status, 500);
  assert.doesNotMatch(await failed.text(), /secret/);
  await script('/requests/long', 'return "x".repeat(3000000);');
  assert.equal((await ask({ method: 'GET' }, '/requests/long')).status, 500);
});

test('saga:22 a chain of scripts that fire each other ends at its bound', async () => {
  await script('/globals/properties/ping', 'await GlobalProperty.add("pong", property.value + 1);');
  const pong = await script('/globals/properties/pong', 'await GlobalProperty.add("ping", property.value + 1);');
  await boss.send('/globals/properties', { name: 'ping', value: 0 });
  await boss.until(
    () => boss.events('/runnable_calls').some(({ error }) => error?.message.startsWith('the chain of runs is deeper')),
    'it goes on',
  );
  const first = callsOf(pong)[0];
  assert.equal(typeof first.parent_runnable_call_id, 'string');
  assert.ok((await boss.api('GET', '/globals/properties/ping')).body.value <= 33);
});

const metric = async (name: string): Promise<number> => {
  const text = await (await fetch(system.runner.metricsUrl)).text();
  return Number(new RegExp(`^${name}(?:{[^}]*})? (\\S+)$`, 'm').exec(text)?.[1]);
};

test('saga:23 with inline_parent a script gets its parent as it was when the write fired it, else as it is when it runs', async () => {
  const asked = '/bots/properties/inline-ask';
  const told = 'await BotProperty.add("inline-told", property.value.count, property.parent_id, { inline_parent: property.value.inlined });';
  await script(asked, told);
  const id = await script(
    '/bots/properties/inline-told',
    `console.log("go" in parent.properties);
    while ((await BotProperty.get("go", property.parent_id)) === null) await new Promise((resolve) => setTimeout(resolve, 30));`,
    { logging: true },
  );
  await boss.send('/scripts/runnable_logs/join', id);
  const logs = (): unknown[] => boss.events('/runnable_logs').flatMap((log) => (log.runnable_id === id ? [log.message] : []));
  for (const inlined of [true, false]) {
    const bot = await makeBot();
    const before = logs().length;
    await boss.send('/bots/properties', { name: 'inline-ask', parent_id: bot, value: { count: 1, inlined: false } });
    await until('the first run asks', () => logs().length > before);
    // The second run is fired while the first, which it has to follow, waits for what the test writes then.
    await boss.send('/bots/properties', { name: 'inline-ask', parent_id: bot, value: { count: 2, inlined } });
    // The run that writes it may wait for a moment too.
    const written = async () => (await boss.api('GET', `/bots/${bot}/properties/inline-told`)).body.value;
    await until('the second value is written', async () => (await written()) === 2);
    await until('a run waits', async () => (await metric('runner_waiting')) > 0);
    await boss.send('/bots/properties', { name: 'go', parent_id: bot, value: 1 });
    await until('the second run asks', () => logs().length >= before + 2);
    assert.deepEqual(logs().slice(before), ['false', inlined ? 'false' : 'true']);
  }
});

test('saga:22 runs that changes fire wait within a bound; beyond it changes wait in the journal, and each is handled once, in order', async () => {
  const bots = await Promise.all(Array.from({ length: 16 }, () => makeBot()));
  const id = await script(
    '/bots/properties/flood',
    'await new Promise((resolve) => setTimeout(resolve, 400)); console.log(property.value);',
    {
      logging: true,
    },
  );
  await boss.send('/scripts/runnable_logs/join', id);
  const before = boss.events('/runnable_logs').length;
  const written = Promise.all(
    bots.map(async (bot) => {
      for (const value of [1, 2, 3, 4]) await boss.send('/bots/properties', { name: 'flood', parent_id: bot, value });
    }),
  );
  const waiting: number[] = [];
  let heldBack = 0;
  await until('all are handled', async () => {
    waiting.push(await metric('runner_waiting'));
    heldBack = Math.max(heldBack, await metric('runner_held_back'));
    return callsOf(id).length >= 4 * bots.length;
  });
  await written;
  assert.ok(Math.max(...waiting) <= 24, `${Math.max(...waiting)} waited`);
  assert.ok(heldBack > 0, 'changes were held back');
  const calls = callsOf(id);
  assert.equal(new Set(calls.map(({ _id }) => _id)).size, 4 * bots.length);
  const values = new Map(
    boss
      .events('/runnable_logs')
      .slice(before)
      .map(({ runnable_call_id, message }) => [runnable_call_id, message]),
  );
  for (const bot of bots) {
    const own = calls.filter(({ context }) => context.parent_id === bot).map(({ _id }) => values.get(_id));
    assert.deepEqual(own, ['1', '2', '3', '4'], bot);
  }
});

test('saga:23 the JavaScript API: operators, options, finding, bots, and fetch', async () => {
  const bot = await makeBot({ name: 'finder' });
  const client = await admin();
  await client.send('/bots/join', bot);
  const body = `
    const id = property.parent_id;
    await BotProperty.rpush("list", id, "a");
    await BotProperty.rpush("list", id, "b");
    const popped = await BotProperty.lpop("list", id);
    await BotProperty.hincr("map", id, "k", 2);
    await BotProperty.add("silent", 1, id, { notify: false });
    await BotProperty.add("once", 1, id, { avoid_duplicate: true });
    const twice = await BotProperty.add("once", 1, id, { avoid_duplicate: true });
    const found = await BotProperty.find({ parent_id: id, name: "map" });
    const refused = await BotProperty.incr("list", id, 1).catch((error) => error.status_code);
    const made = await Bot.create({ name: "made" });
    const one = await Bot.findOne({ name: "finder" });
    const value = {
      popped: popped.popped,
      twice: twice.value,
      map: found[0].value,
      count: await BotProperty.count({ parent_id: id, name: "map" }),
      refused,
      made: (await Bot.findById(made._id)).name,
      one: one._id === id,
      runnable: Runnable.current.type + " " + (Runnable.current.path === "/bots/properties/api"),
      url: new URL("../b?c=d#e", "https://example.org/a/x").href,
      query: new URLSearchParams({ a: "1 2" }).toString(),
      bytes: Buffer.from("h\\u00e9").toString("base64"),
      text: new TextDecoder().decode(new TextEncoder().encode("\\u{1f600}")),
      sha: crypto.createHash("sha256").update("abc").digest("hex").slice(0, 8),
      uuid: crypto.randomUUID().length,
      frozen: Object.isFrozen(property),
      node: [typeof process, typeof WebAssembly, typeof SharedArrayBuffer, typeof Atomics].join(),
      fetch: await fetch("http://127.0.0.1/").catch((error) => error.message),
      required: (() => { try { return require("left-pad"); } catch (error) { return error.message; } })(),
    };
    await storage("notes").set("k", { n: 1 });
    value.stored = await storage("notes").get("k");
    value.keys = await storage("notes").keys();
    statsd_client.increment("/scripts/api", 2);
    await BotProperty.add("result", value, id);`;
  const id = await script('/bots/properties/api', body);
  await boss.send('/bots/properties', { name: 'api', parent_id: bot, value: 1 });
  const call = await callOf(id);
  assert.equal(call.error, null, JSON.stringify(call.error));
  assert.deepEqual((await boss.api('GET', `/bots/${bot}/properties/result`)).body.value, {
    popped: 'a',
    twice: 1,
    map: { k: 2 },
    count: 1,
    refused: 422,
    made: 'made',
    one: true,
    runnable: 'scripts true',
    url: 'https://example.org/b?c=d#e',
    query: 'a=1+2',
    bytes: 'aMOp',
    text: '\u{1f600}',
    sha: 'ba7816bf',
    uuid: 36,
    frozen: true,
    node: 'undefined,undefined,undefined,undefined',
    fetch: 'fetch is switched off',
    required: 'the package "left-pad" is not installed',
    stored: { n: 1 },
    keys: ['k'],
  });
  const told = client.events('/properties').map(({ name }) => name);
  assert.ok(!told.includes('silent'));
  assert.equal(told.filter((name) => name === 'once').length, 1);
  assert.equal((await boss.api('GET', `/bots/${bot}/properties/silent`)).body.value, 1);
});

test('saga:23 an answer that is too large for a run is rejected, and the runner keeps working', async () => {
  const names = Array.from({ length: 5 }, (_, at) => `large${at}`);
  const value = 'x'.repeat(1_900_000);
  for (const { status } of await Promise.all(names.map((name) => boss.api('POST', '/globals/properties', { name, value }))))
    assert.equal(status, 200);
  const body = 'try { await GlobalProperty.find({}); } catch (error) { response.send({ status: error.status_code }); }';
  await script('/requests/large', body);
  const asked = await boss.api('POST', '/requests/large', {});
  assert.deepEqual([asked.status, asked.body], [200, { status: 413 }]);
  await Promise.all(names.map((name) => boss.api('DELETE', `/globals/properties/${name}`)));
});

test('saga:39 storages are read and written by REST too; statsd counters are among the metrics', async () => {
  assert.deepEqual((await boss.api('PUT', '/storages/shelf/top', { value: [1] })).body, { key: 'top', value: [1] });
  const id = await script(
    '/globals/properties/shelf',
    'await storage("shelf").set("top", [...(await storage("shelf").get("top")), property.value]);',
  );
  await boss.send('/globals/properties', { name: 'shelf', value: 2 });
  assert.equal((await callOf(id)).success, true);
  assert.deepEqual((await boss.api('GET', '/storages/shelf/top')).body.value, [1, 2]);
  assert.deepEqual((await boss.api('GET', '/storages/shelf')).body, [{ key: 'top', value: [1, 2] }]);
  assert.ok((await boss.api('GET', '/storages')).body.some(({ name }: { name: string }) => name === 'shelf'));
  assert.deepEqual((await boss.api('DELETE', '/storages/shelf/top')).body, { ok: 1 });
  assert.equal((await boss.api('GET', '/storages/shelf/top')).status, 404);
  const metrics = await (await fetch(`${system.runner.metricsUrl}`)).text();
  assert.match(metrics, /saga_script_count\{[^}]*name="\/scripts\/api"[^}]*\} 2/);
});

test("saga:22 a script's writes derived from test data are test data", async () => {
  const bot = await makeBot({ test_data: true });
  const id = await script('/globals/properties/unused', `await BotProperty.add("derived", 1, "${bot}");`);
  const started = await boss.api('POST', `/scripts/${id}/run`, { args: [{}, {}], test_data: true });
  await boss.until(() => callsOf(id).some(({ _id }) => _id === started.body.runnable_call_id), 'no run by hand');
  assert.equal((await boss.api('GET', `/bots/${bot}/properties/derived`)).body.test_data, true);
  assert.equal(callsOf(id)[0].test_data, true);
});

test('saga:33 saga:23 a package is installed, its progress is sent, a script requires it, and the next run has the new version', async () => {
  const client = await admin();
  await client.send('/npm_packages/join');
  const id = await script('/globals/properties/greet', 'await GlobalProperty.add("greeting", require("greets")(property.value));');
  const made = await boss.api('POST', '/npm_packages', { package_name: 'greets@1' });
  const reaches = (state: string, of: string): Promise<void> =>
    client.until(() => client.events('/npm_packages').some(({ _id, state: is }) => _id === of && is === state), state);
  await reaches('installed', made.body._id);
  const told = client.events('/npm_packages').at(-1);
  assert.deepEqual([told.name, told.package_json.version, told.error_message, told.content], ['greets', '1.0.0', null, undefined]);
  await boss.send('/globals/properties', { name: 'greet', value: 'Ann' });
  assert.equal((await callOf(id)).error, null);
  assert.equal((await boss.api('GET', '/globals/properties/greeting')).body.value, 'hello Ann');
  const before = client.events('/npm_packages').length;
  await boss.api('PUT', `/npm_packages/${made.body._id}`, { package_name: 'greets' });
  await client.until(
    () =>
      client
        .events('/npm_packages')
        .slice(before)
        .some(({ state, package_json: of }) => state === 'installed' && of.version !== '1.0.0'),
    'the update',
  );
  await boss.send('/globals/properties', { name: 'greet', value: 'Ann' });
  await callOf(id, 2);
  assert.equal((await boss.api('GET', '/globals/properties/greeting')).body.value, 'hi Ann');
  const bad = await boss.api('POST', '/npm_packages', { package_name: 'reads' });
  await reaches('failed', bad.body._id);
  const failed = client.events('/npm_packages').findLast(({ _id }) => _id === bad.body._id);
  assert.deepEqual([failed.error_message, failed.failed_install_attempts], ['it needs the module "fs", which isolates do not have', 1]);
  await boss.api('DELETE', `/npm_packages/${made.body._id}`);
  await boss.send('/globals/properties', { name: 'greet', value: 'Ann' });
  assert.match((await callOf(id, 3)).error.message, /"greets" is not installed/);
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
