/** The bounds of scripts: chains, waiting runs, sizes of answers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RunningService } from '@polyedge/testkit/servers/service';
import { until } from '@polyedge/testkit/until';
import { boss, callsOf, makeBot, script, system } from './runnables/scripts-scene.ts';
import { withDatabase } from './with-database.ts';

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

test('saga:22 a runner is ready when no change can pass by its scripts any more', async () => {
  const runner = await withDatabase(system.databaseUrl, async (sql) => {
    await sql`begin`;
    await sql`lock table consumer_group in exclusive mode`;
    const started = await system.start('saga-runner', { RUNNER_TENANTS: 'new' }, 'alive');
    await until('it waits for its group only', async () => (await readiness(started)).includes('the group of runners is not open yet'));
    await sql`rollback`;
    return started;
  });
  await until('it is ready', async () => (await fetch(`${runner.url}/readyz`)).ok);

  // It works for another organization only, and is not asked for this one.
  await script('/requests/here', 'response.send({ here: true });');
  for (let round = 0; round < 10; round += 1) assert.equal((await boss.api('POST', '/requests/here', {})).status, 200);
});

const readiness = async ({ url }: RunningService): Promise<string> => (await fetch(`${url}/readyz`)).text();

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

test('saga:22 the writes of runs for one parent are in the order of the runs, also those that nothing awaits', async () => {
  const bot = await makeBot();
  await script('/bots/properties/unawaited', 'BotProperty.rpush("in-order", property.parent_id, property.value);');
  const values = Array.from({ length: 200 }, (_, at) => at);
  for (const value of values) await boss.send('/bots/properties', { name: 'unawaited', parent_id: bot, value });
  const written = async (): Promise<readonly number[]> => (await boss.api('GET', `/bots/${bot}/properties/in-order`)).body.value ?? [];
  await until('all are written', async () => (await written()).length === values.length);
  assert.deepEqual(await written(), values);
});

test('saga:22 a run that may have left something undone is recorded before the next one for its parent writes', async () => {
  const bot = await makeBot();
  const throws = await script(
    '/bots/properties/unclean',
    'await BotProperty.add("began", property.value, property.parent_id); throw new Error("x");',
  );
  const caught = await script(
    '/bots/properties/unclean',
    `await BotProperty.add("tried", property.value, property.parent_id);
    await BotProperty.remove("missing", property.parent_id).catch(() => {});`,
  );
  await boss.send('/bots/join', bot);
  const values = Array.from({ length: 50 }, (_, at) => at);
  for (const value of values) await boss.send('/bots/properties', { name: 'unclean', parent_id: bot, value });
  await until('all have ended', () => callsOf(throws).length + callsOf(caught).length === 2 * values.length);
  // One socket receives everything in the order of its commits.
  const order = (id: string, name: string): (number | string)[] =>
    boss.log.flatMap((entry) => {
      if (!('ev' in entry)) return [];
      const { ev, payload } = entry;
      if (ev === '/properties' && payload.parent_id === bot && payload.name === name) return [payload.value];
      return ev === '/runnable_calls' && payload.runnable_id === id ? ['recorded'] : [];
    });
  const inTurn = values.flatMap((value) => [value, 'recorded']);
  assert.deepEqual(order(throws, 'began'), inTurn);
  assert.deepEqual(order(caught, 'tried'), inTurn);
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
