/**
 * `runnables`: a property write over a socket until the resulting write of a script arrives there, compared with the same logic in a plain client
 * (a socket that receives the write and answers it), and with the bare cost of a run in an isolate; and a write whose script only looks at it,
 * until the record of its run arrives. The CPU is that of everything involved.
 */
import { startNats } from '@polyedge/testkit/servers/nats';
import { startPostgres } from '@polyedge/testkit/servers/postgres';
import { startRedis } from '@polyedge/testkit/servers/redis';
import { startService } from '@polyedge/testkit/servers/service';
import { type Session, session } from '../services/saga-edge/test/client.ts';
import type { Ended } from '../services/saga-runner/src/isolate/messages.ts';
import { IsolateProcess } from '../services/saga-runner/src/isolate-process.ts';
import { measuredLoop } from './lib/measured-loop.ts';
import { readOptions } from './lib/options.ts';
import { inRounds, report, type Sample, type Variant } from './lib/report.ts';
import { profiling } from './lib/system.ts';

const ADMIN = { username: 'admin', password: 'admin-password' };
const IN_FLIGHT = [1, 32, 128, 256];
const WARM_UP_MS = 3000;
const LIMITS = {
  wallMs: 30_000,
  cpuMs: 5000,
  memoryMb: 128,
  logLines: 100,
  logBytes: 65_536,
  calls: 100,
  callsPerSecond: 100,
  resultBytes: 65_536,
};

const options = readOptions({ seconds: 5, seed: 1, rounds: 3 });
await using parts = new AsyncDisposableStack();
const [nats, redis, postgres] = await Promise.all([startNats(), startRedis(), startPostgres()]);
for (const part of [nats, redis, postgres]) parts.use(part);
const env = { NATS_URL: nats.url, REDIS_URL: redis.url, DATABASE_URL: postgres.url, LOG_LEVEL: 'warn' };
const admin = { POLYEDGE_ADMIN_USERNAME: ADMIN.username, POLYEDGE_ADMIN_PASSWORD: ADMIN.password };
const store = parts.use(await startService({ name: 'graph-store', env: { ...env, ...admin } }));
const saga = parts.use(await startService({ name: 'saga-edge', env }));
const runner = parts.use(await startService({ name: 'saga-runner', env: { ...env, ...profiling('saga-runner') } }));
const whole = {
  ...{ 'saga-edge': saga.pid, 'saga-runner': runner.pid, 'graph-store': store.pid },
  ...{ nats: nats.pid, postgres: postgres.pid, redis: redis.pid },
};

const client = await session(saga.url, ADMIN);
const other = await session(saga.url, ADMIN);
for (const one of [client, other]) parts.defer(() => one.close());
const bots: string[] = [];
for (let lane = 0; lane < Math.max(...IN_FLIGHT); lane += 1) {
  const bot: string = (await client.api('POST', '/bots', { name: `bot${lane}` })).body._id;
  bots.push(bot);
  for (const one of [client, other]) await one.send('/bots/join', bot);
}
await client.api('POST', '/scripts', {
  name: 'answers',
  path: '/bots/properties/ask-script',
  body: 'await BotProperty.add("answer-script", property.value, property.parent_id);',
});
const looks = await client.api('POST', '/scripts', {
  name: 'looks',
  path: '/bots/properties/ask-look',
  body: 'if (typeof property.value !== "number") throw new Error("this is no number");',
});
// The plain client: the same work as the script, done by a client.
other.socket.on('/properties', (property) => {
  const { name, value, parent_id } = property as { readonly name: string; readonly value: number; readonly parent_id: string };
  if (name === 'ask-client') other.emit('/bots/properties', { name: 'answer-client', parent_id, value });
});

const samples = await inRounds(
  [
    ...IN_FLIGHT.flatMap((inFlight) => [
      { name: `script ×${inFlight}`, measure: () => asked(client, 'script', inFlight) },
      { name: `plain client ×${inFlight}`, measure: () => asked(client, 'client', inFlight) },
    ]),
    ...IN_FLIGHT.map((inFlight) => ({ name: `run alone ×${inFlight}`, measure: () => recorded(client, inFlight) })),
    isolate(),
  ],
  options,
);
report({
  name: 'runnables',
  unit: 'one property write until the resulting answer arrives; "run alone": until the record of a run without an answer arrives; "isolate": one small run in a process of isolates',
  options,
  samples,
  goals: [
    { of: 'script ×1', by: 'plain client ×1', figure: 'p50Ms' },
    { of: 'script ×32', by: 'plain client ×32', figure: 'rate' },
    { of: 'script ×32', by: 'plain client ×32', figure: 'cpuUs' },
    { of: 'script ×32', by: 'isolate', figure: 'cpuUs' },
    ...IN_FLIGHT.flatMap((inFlight) => [
      { of: `script ×${inFlight}`, figure: 'lost' as const, atMost: 0 },
      { of: `run alone ×${inFlight}`, figure: 'lost' as const, atMost: 0 },
    ]),
  ],
});
await parts.disposeAsync();
process.exit(0);

async function asked(by: Session, what: 'script' | 'client', inFlight: number): Promise<Sample> {
  const waiting = new Map<string, (failure: string | undefined) => void>();
  const hear = (property: unknown): void => {
    const { name, value, parent_id } = property as { readonly name: string; readonly value: number; readonly parent_id: string };
    if (name !== `answer-${what}`) return;
    const answered = waiting.get(`${parent_id} ${value}`);
    waiting.delete(`${parent_id} ${value}`);
    answered?.(undefined);
  };
  by.socket.on('/properties', hear);
  return written(inFlight, (bot, value, answered) => {
    waiting.set(`${bot} ${value}`, answered);
    by.emit('/bots/properties', { name: `ask-${what}`, parent_id: bot, value });
  });
}

/** A lane is known by its bot: it writes again when it has heard of the run of its last write. */
async function recorded(by: Session, inFlight: number): Promise<Sample> {
  const room = '/scripts/runnable_calls';
  await by.send(`${room}/join`, looks.body._id);
  const waiting = new Map<string, (failure: string | undefined) => void>();
  const hear = (call: unknown): void => {
    const { context, success } = call as { readonly context: { readonly parent_id: string }; readonly success: boolean };
    const recorded = waiting.get(context.parent_id);
    waiting.delete(context.parent_id);
    recorded?.(success ? undefined : 'the run failed');
  };
  by.socket.on('/runnable_calls', hear);
  const sample = await written(inFlight, (bot, value, answered) => {
    waiting.set(bot, answered);
    by.emit('/bots/properties', { name: 'ask-look', parent_id: bot, value });
  });
  await by.send(`${room}/leave`, looks.body._id);
  return sample;
}

/** @param write to this bot, with a value of its own */
async function written(
  inFlight: number,
  write: (bot: string, value: number, answered: (failure: string | undefined) => void) => void,
): Promise<Sample> {
  let count = 0;
  const { sample } = await measuredLoop(whole, {
    inFlight,
    warmUpMs: WARM_UP_MS,
    ms: options.seconds * 1000,
    start: (lane, answered) => {
      count += 1;
      write(bots[lane] ?? '', count, answered);
    },
  });
  return sample;
}

function isolate(): Variant {
  return {
    name: 'isolate',
    measure: async () => {
      const waiting = new Map<number, (failure: string | undefined) => void>();
      await using own = new AsyncDisposableStack();
      const ready = Promise.withResolvers<void>();
      const ended = ({ run, outcome }: Ended): void => waiting.get(run)?.(outcome.is === 'returned' ? undefined : outcome.is);
      const isolates = new IsolateProcess({
        message: (message) => (message.from === 'ready' ? ready.resolve() : message.from === 'done' ? ended(message) : undefined),
        ended: () => {},
      });
      own.defer(() => isolates.end('measured'));
      await ready.promise;
      const pids = { isolates: isolates.pid ?? 0 };
      let run = 0;
      const { sample } = await measuredLoop(pids, {
        inFlight: 2,
        warmUpMs: WARM_UP_MS,
        ms: options.seconds * 1000,
        start: (_lane, answered) => {
          run += 1;
          waiting.set(run, answered);
          isolates.send({
            ...{ to: 'run', run, key: 'one', file: '/scripts/one', source: '(async function (property) {\nreturn property.value;\n})' },
            ...{ args: '[{"value":1}]', kind: 'event', current: {}, packages: {}, limits: LIMITS },
          });
        },
      });
      return sample;
    },
  };
}
