/**
 * Property writes, each of which triggers a script that counts it and records its number, while the runners are killed: two runners, their processes
 * of isolates, Redis, NATS and graph-store. Every write must be handled at least once, in the order of its parent, and counted exactly once.
 */
import { startNats } from '@polyedge/testkit/servers/nats';
import { startPostgres } from '@polyedge/testkit/servers/postgres';
import { descendants, sendSignal } from '@polyedge/testkit/servers/processes';
import { startRedis } from '@polyedge/testkit/servers/redis';
import { startService } from '@polyedge/testkit/servers/service';
import { session } from '../../services/saga-edge/test/client.ts';
import { randomFrom } from '../kill/random.ts';

export interface ChainOptions {
  readonly writes: number;
  /** Parents, each with its own order. */
  readonly bots: number;
  /** The number of kills. */
  readonly faults: number;
  readonly seed: number;
  report(line: string): void;
}

export interface ChainResult {
  /** The violated guarantees. */
  readonly problems: readonly string[];
  readonly ms: number;
}

const ADMIN = { username: 'admin', password: 'admin-password' };
const SCRIPT = `
  await BotProperty.rpush("seen", property.parent_id, property.value);
  await BotProperty.incr("count", property.parent_id, 1);`;

export async function runChain({ writes, bots: count, faults, seed, report }: ChainOptions): Promise<ChainResult> {
  await using parts = new AsyncDisposableStack();
  const random = randomFrom(seed);
  const [nats, redis, postgres] = await Promise.all([startNats(), startRedis(), startPostgres()]);
  for (const part of [nats, redis, postgres]) parts.use(part);
  const env = { NATS_URL: nats.url, REDIS_URL: redis.url, DATABASE_URL: postgres.url, LOG_LEVEL: 'warn' };
  const store = parts.use(
    await startService({
      name: 'graph-store',
      env: { ...env, POLYEDGE_ADMIN_USERNAME: ADMIN.username, POLYEDGE_ADMIN_PASSWORD: ADMIN.password },
    }),
  );
  const [saga, ...runners] = await Promise.all([
    startService({ name: 'saga-edge', env }),
    startService({ name: 'saga-runner', env }),
    startService({ name: 'saga-runner', env }),
  ]);
  for (const part of [saga, ...runners]) parts.use(part);
  const client = await session(saga.url, ADMIN);
  parts.defer(() => client.close());
  const bots: string[] = [];
  for (let one = 0; one < count; one += 1) bots.push((await client.api('POST', '/bots', { name: `bot${one}` })).body._id);
  const script = await client.api('POST', '/scripts', { name: 'counts', path: '/bots/properties/step', body: SCRIPT });
  const began = performance.now();

  const each = Math.ceil(writes / count);
  const writing = Promise.all(
    bots.map(async (bot) => {
      for (let step = 1; step <= each; step += 1) {
        // A rejected write was not executed, or its outcome is unknown: the timeline shows which.
        while ((await client.api('POST', `/bots/${bot}/properties`, { name: 'step', value: step })).status !== 200) await pause(100);
      }
    }),
  );
  const kills = [
    async () => random.pick(runners).restart(),
    async () => {
      const runner = random.pick(runners);
      for (const pid of descendants(runner.pid)) if (pid !== runner.pid) sendSignal(pid, 'SIGKILL');
    },
    async () => {
      const runner = random.pick(runners);
      await runner.kill();
      await runner.restart();
    },
    async () => {
      await redis.kill();
      await redis.restart();
    },
    async () => {
      await nats.kill();
      await nats.restart();
    },
    async () => {
      await store.kill();
      await store.restart();
    },
  ];
  const names = ['restart a runner', 'kill processes of isolates', 'kill a runner', 'kill Redis', 'kill NATS', 'kill graph-store'];
  for (let fault = 0; fault < faults; fault += 1) {
    const which = fault < kills.length ? kills.length - 1 - fault : random.integer(0, kills.length - 1);
    report(`  ${names[which]}`);
    await kills[which]?.();
    await pause(random.integer(100, 900));
  }
  await writing;

  const problems: string[] = [];
  const of = async (bot: string, name: string) => (await client.api('GET', `/bots/${bot}/properties/${name}`)).body.value;
  const deadline = performance.now() + 60_000 + writes * 20;
  for (const bot of bots) {
    const written: number[] = [];
    for (let after = 0, more = true; more; ) {
      const { body } = await client.api('GET', `/bots/${bot}/properties/step/stream?sortable_id=${after}&limit=100`);
      for (const { value } of body) written.push(value);
      after = body.at(-1)?.sortable_id ?? after;
      more = body.length === 100;
    }
    while ((await of(bot, 'count')) !== written.length && performance.now() < deadline) await pause(200);
    // Leaves time for a duplicate count to happen.
    await pause(500);
    const [counted, seen = []]: [number, number[]] = await Promise.all([of(bot, 'count'), of(bot, 'seen')]);
    if (counted !== written.length) problems.push(`${bot} counted ${counted} of ${written.length}`);
    const wrong = written.findIndex((value, at) => value !== seen[at]);
    if (wrong !== -1) problems.push(`${bot} at ${wrong}: ${seen.slice(wrong, wrong + 4)} instead of ${written.slice(wrong, wrong + 4)}`);
  }
  const calls = await client.api('GET', `/scripts/${script.body._id}/runnable_calls?limit=1`);
  if (calls.body[0]?.success !== true) problems.push(`the newest call did not succeed: ${JSON.stringify(calls.body[0])}`);
  return { problems, ms: Math.round(performance.now() - began) };
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
