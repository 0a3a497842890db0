/** What is delivered again after a runner was killed. */
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
