/** What scripts can call and be called by: HTTP, the JavaScript API, storages, packages. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '@polyedge/testkit/until';
import { admin, boss, callOf, callsOf, makeBot, script, system, url } from './runnables/scripts-scene.ts';

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

test('saga:32 an HTTP script gets a body by its media type, however that is written, and its answer arrives without headers of the connection', async () => {
  await script('/requests/typed', 'return response.set("trailer", "x-end").set("te", "trailers").set("x-kept", "1").json(request.body);');
  const ask = async (type: string, body: string) =>
    fetch(`${url}/requests/typed`, { method: 'POST', headers: { 'access-token': boss.token, 'content-type': type }, body });
  for (const [type, body, value] of [
    ['Application/JSON; Charset=utf-8', '{"a":[1]}', { a: [1] }],
    ['APPLICATION/X-WWW-FORM-URLENCODED', 'a=1&b=%20', { a: '1', b: ' ' }],
    ['text/plain', '{"a":1}', '{"a":1}'],
  ] as const) {
    const answer = await ask(type, body);
    assert.deepEqual([answer.status, answer.headers.get('x-kept'), answer.headers.get('trailer')], [200, '1', null], type);
    assert.deepEqual(await answer.json(), value, type);
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
  // What is written last, after everything that it may have been told.
  await client.until(() => client.events('/properties').some(({ name }) => name === 'result'), 'the result');
  const told = client.events('/properties').map(({ name }) => name);
  assert.ok(!told.includes('silent'));
  assert.equal(told.filter((name) => name === 'once').length, 1);
  assert.equal((await boss.api('GET', `/bots/${bot}/properties/silent`)).body.value, 1);
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

test('saga:33 a large package is installed, and one whose package.json cannot be stored', async () => {
  const client = await admin();
  await client.send('/npm_packages/join');
  const id = await script(
    '/globals/properties/measure',
    'await GlobalProperty.add("measured", [require("large").length, require("odd")]);',
  );
  const ended = async (package_name: string) => {
    const { body } = await boss.api('POST', '/npm_packages', { package_name });
    const found = () =>
      client.events('/npm_packages').find(({ _id, state }) => _id === body._id && state !== 'installing' && state !== undefined);
    return until(`${package_name} is installed`, found);
  };
  const [large, odd] = [await ended('large'), await ended('odd')];
  assert.deepEqual([large.state, large.error_message, large.package_json], ['installed', null, { name: 'large', version: '1.0.0' }]);
  assert.deepEqual([odd.state, odd.package_json], ['installed', { name: 'odd', version: '1.0.0', shortened: true }]);
  await boss.send('/globals/properties', { name: 'measure', value: 1 });
  assert.equal((await callOf(id)).error, null);
  assert.deepEqual((await boss.api('GET', '/globals/properties/measured')).body.value, [1_500_000, 'odd']);
});
