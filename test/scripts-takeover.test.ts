/** What another runner takes over: what is delivered again after a runner was killed, and what waits at one that ends. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '@polyedge/testkit/until';
import { session } from '../services/saga-edge/test/client.ts';
import { ADMIN, startSystem } from './runnables/system.ts';

test('saga:22 a run that has ended is not repeated when its runner is killed before the position is confirmed', async (t) => {
  await using system = await startSystem();
  const boss = await session(system.saga.url, ADMIN);
  t.after(() => boss.close());
  await boss.send('/scripts/runnable_calls/join');
  const made = async (plural: string, data: object): Promise<string> => (await boss.api('POST', `/${plural}`, data)).body._id;
  const bot = await made('bots', { name: 'bot' });
  const path = '/bots/properties/ended';
  const script = (name: string, body: string) => made('scripts', { name, path, body });
  // Changes are confirmed in order: until this one's run for 1 ends, the position stays before all of them.
  const holds = await script(
    'holds',
    `while (property.value === 1 && (await BotProperty.get("go", property.parent_id)) === null)
      await new Promise((resolve) => setTimeout(resolve, 30));`,
  );
  // Repeated, the run for 1 would succeed, after that for 2.
  const counts = await script(
    'counts',
    `if (property.value === 1 && (await BotProperty.get("ready", property.parent_id)) === null) throw new Error("not ready");
    await BotProperty.rpush("counted", property.parent_id, property.value);`,
  );
  const write = (name: string, value: number) => boss.send('/bots/properties', { name, parent_id: bot, value });
  const callsOf = (id: string) => boss.events('/runnable_calls').filter((call) => call.runnable_id === id);
  const ended = (id: string, count: number) => until(`${count} runs have ended`, () => callsOf(id).length >= count);

  for (const value of [1, 2]) await write('ended', value);
  await ended(counts, 2);
  await write('ready', 1);
  await system.runner.kill();
  assert.deepEqual(
    [counts, holds].map((id) => callsOf(id).map(({ success }) => success)),
    [[false, true], []],
  );
  await system.runner.restart();
  await write('go', 1);
  await write('ended', 3);
  await ended(holds, 3);
  await ended(counts, 3);
  assert.deepEqual((await boss.api('GET', `/bots/${bot}/properties/counted`)).body.value, [2, 3]);
  assert.equal(callsOf(counts).length, 3);
});

test('saga:32 runs that wait at a runner that ends are carried out by another one, and each once', async (t) => {
  await using system = await startSystem({ runner: { RUNNER_PER_RUNNABLE: '1' } });
  const boss = await session(system.saga.url, ADMIN);
  t.after(() => boss.close());
  await boss.send('/scripts/runnable_calls/join');
  const body = `const n = Number(request.query?.n ?? request);
    await GlobalProperty.rpush("asked", n);
    while ((await GlobalProperty.get(n === 1 ? "go-first" : "go")) === null) await new Promise((resolve) => setTimeout(resolve, 30));
    response?.json({ n });`;
  const { _id: id } = (await boss.api('POST', '/scripts', { name: 'waits', path: '/requests/waits', body })).body;
  const asked = async (): Promise<readonly number[]> => (await boss.api('GET', '/globals/properties/asked')).body.value ?? [];

  const calls = [boss.api('POST', '/requests/waits?n=1', {})];
  await until('the first call runs', async () => (await asked()).length === 1);
  for (const n of [2, 3]) calls.push(boss.api('POST', `/requests/waits?n=${n}`, {}));
  const waiting = async (): Promise<number> => {
    const text = await (await fetch(system.runner.metricsUrl)).text();
    return Number(/^runner_waiting(?:{[^}]*})? (\S+)$/m.exec(text)?.[1]);
  };
  await until('two calls wait', async () => (await waiting()) === 2);
  const manual = (await boss.api('POST', `/scripts/${id}/run`, { args: [4] })).body.runnable_call_id;
  await until('the manual run waits', async () => (await waiting()) === 3);

  await system.start('saga-runner', { RUNNER_PROCESSES: '4' });
  const ended = system.runner.stop();
  await until('it drains', async () => (await (await fetch(`${system.runner.url}/readyz`)).text()).includes('draining'));
  await boss.send('/globals/properties', { name: 'go-first', value: 1 });
  await ended;
  await until('the other runner has begun those that waited', async () => (await asked()).length === 4);
  await boss.send('/globals/properties', { name: 'go', value: 1 });
  assert.deepEqual(
    (await Promise.all(calls)).map(({ status, body }) => [status, body]),
    [1, 2, 3].map((n) => [200, { n }]),
  );
  const recorded = () => boss.events('/runnable_calls').filter((call) => call.runnable_id === id);
  await until('all are recorded', () => recorded().length === 4);
  assert.ok(recorded().some(({ _id }) => _id === manual));
  assert.deepEqual([...(await asked())].sort(), [1, 2, 3, 4]);
});
