/**
 * `scale`: the model of docs/scale.md at the size that runs here: one journal, one edge, 256 writes in flight over graph-ws, each change told to none and to
 * ten sockets; a second edge whose clients watch nothing hears the heads alone. Prints what the model says for the same beside what was measured, and
 * the bytes that the model is made with.
 */
import { graphChanged, graphHead } from '@polyedge/contracts/bus/feed';
import { FeedMachine } from '@polyedge/edge-kit/feed/machine';
import { FEED_DEFAULTS } from '@polyedge/edge-kit/feed/settings';
import postgres from 'postgres';
import { MEASURED, predictedCpu } from '../tools/scale/model.ts';
import { GraphSocket, requestHead } from './lib/graph-clients.ts';
import { measuredLoop } from './lib/measured-loop.ts';
import { readOptions, seededText } from './lib/options.ts';
import { RawSocket } from './lib/raw-socket.ts';
import { inRounds, report, type Sample } from './lib/report.ts';
import { connectBus } from './lib/store-client.ts';
import { startHiro, startSystem } from './lib/system.ts';

const IN_FLIGHT = 256;
const SOCKETS = 16;
const RECEIVERS = 10;
const WARM_UP_MS = 1500;
const TYPE = 'ogit/Bench';

const options = readOptions({ seconds: 4, seed: 1, rounds: 2 });
const texts = [seededText(256, options.seed), seededText(256, options.seed + 1)] as const;
await using parts = new AsyncDisposableStack();
const system = parts.use(await startSystem());
const idle = parts.use(await startHiro({ NATS_URL: system.nats.url, REDIS_URL: system.redis.url }));
const look = postgres(system.postgres.url, { max: 1 });
parts.defer(() => look.end());
const sockets = await Promise.all(
  Array.from({ length: SOCKETS }, () => GraphSocket.open(system.hiro.port, '/api/graph-ws/6.1/', system.token)),
);
const pids = {
  'hiro-edge': system.hiro.pid,
  'edge that hears heads alone': idle.pid,
  'graph-store': system.store.pid,
  nats: system.nats.pid,
  postgres: system.postgres.pid,
  redis: system.redis.pid,
};
let next = 1;

const samples = await inRounds(
  [
    { name: 'nobody is told', measure: () => write(0) },
    { name: `${RECEIVERS} sockets are told`, measure: () => write(RECEIVERS) },
  ],
  options,
);
report({
  name: 'scale',
  unit: 'one acknowledged write with all that it causes; "wire B" is what PostgreSQL wrote to its log',
  options,
  samples,
  goals: [...samples.keys()].map((of) => ({ of, figure: 'lost' as const, atMost: 0 })),
});
for (const receivers of [0, RECEIVERS]) {
  const said = predictedCpu(receivers);
  console.log(`the model says ${said.toFixed(0)} µs for a write that ${receivers} sockets are told of`);
}
await printBytes();
printHeadCost();
console.log(`the model is made with ${JSON.stringify(MEASURED.bytes)}`);
await parts.disposeAsync();
process.exit(0);

async function write(receivers: number): Promise<Sample> {
  const hearing = await Promise.all(
    Array.from({ length: receivers }, async () => {
      const socket = await RawSocket.open(system.hiro.port, '/api/events-ws/6.2/', {
        protocols: ['events-1.0.0', `token-${system.token}`],
      });
      const args = { 'filter-id': 'f', 'filter-type': 'jfilter', 'filter-content': `(element.ogit/_type = ${TYPE})` };
      socket.send(JSON.stringify({ type: 'register', args }));
      await socket.handled();
      return socket;
    }),
  );
  const walBefore = await wal();
  const { sample, result } = await measuredLoop(pids, {
    inFlight: IN_FLIGHT,
    warmUpMs: WARM_UP_MS,
    ms: options.seconds * 1000,
    start: (lane, answered) => ask(lane, answered),
  });
  const bytesPerUnit = ((await wal()) - walBefore) / Math.max(1, result.answered);
  const told = hearing.reduce((sum, { messages }) => sum + messages, 0);
  for (const socket of hearing) socket.destroy();
  // The first changes come before the filters are in force.
  if (receivers > 0 && told < receivers * result.done * 0.9) throw new Error(`only ${told} events were heard`);
  return { ...sample, bytesPerUnit };
}

function ask(lane: number, answered: (failure: string | undefined) => void): void {
  const request = next++;
  const [text, other] = texts;
  const element = `scale-${request >> 1}-${lane}`;
  sockets[lane % SOCKETS]?.ask(
    request,
    `${requestHead(request)},"type":"create","headers":{"ogit/_type":"${TYPE}"},"body":{"ogit/_id":"${element}-${request}","ogit/name":"${request % 2 === 0 ? text : other}"}}`,
    answered,
  );
}

async function wal(): Promise<number> {
  const [row] = await look<{ bytes: string }[]>`select pg_current_wal_lsn() - '0/0'::pg_lsn as bytes`;
  return Number(row?.bytes ?? 0);
}

/** Of one change on NATS, and of its part of a head. */
async function printBytes(): Promise<void> {
  const bus = await connectBus(system.nats.url);
  const counts = { changes: 0, changeBytes: 0, announced: 0, headBytes: 0 };
  bus.subscribe(graphChanged, graphChanged.pattern({}), (_change, _subject, bytes) => {
    counts.changes += 1;
    counts.changeBytes += bytes;
  });
  bus.subscribe(graphHead, graphHead.pattern({}), ({ keys }, _subject, bytes) => {
    counts.announced += keys.length;
    counts.headBytes += bytes;
  });
  await bus.flush(5000);
  await measuredLoop(pids, { inFlight: IN_FLIGHT, warmUpMs: 200, ms: 1500, start: (lane, answered) => ask(lane, answered) });
  await bus.close();
  const { changes, changeBytes, announced, headBytes } = counts;
  console.log(
    `a change has ${Math.round(changeBytes / changes)} B on NATS and came ${(changes / announced).toFixed(2)} times; its part of a head has ${Math.round(headBytes / announced)} B`,
  );
}

/** What the head of a change costs an edge that watches nothing of it, apart from reading the socket: a run of 500, as they come under load. */
function printHeadCost(): void {
  const machine = new FeedMachine(FEED_DEFAULTS, true, 0);
  machine.handle({ kind: 'begin' }, 0);
  const keys = Array.from({ length: 500 }, (_, at) => [at * 7_919_993, at * 104_729_771, at * 15_485_863].map((key) => key >>> 0));
  const texts = Array.from({ length: 200 }, (_, at) =>
    JSON.stringify({ epoch: 'e', fence: 1, from: at * 500 + 1, to: (at + 1) * 500, keys }),
  );
  const take = (from: number, to: number): void => {
    for (const text of texts.slice(from, to)) {
      const head: unknown = JSON.parse(text);
      if (!graphHead.body.test(head)) throw new Error('not a head');
      machine.handle({ kind: 'head', head }, 1);
    }
  };
  take(0, 100);
  const before = process.cpuUsage();
  take(100, 200);
  const { user, system: kernel } = process.cpuUsage(before);
  console.log(`the head of a change costs an edge that watches nothing of it ${((user + kernel) / 50_000).toFixed(2)} µs`);
}
