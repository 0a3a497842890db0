/**
 * `big-value`: one write of 1 MiB until its commit is acknowledged, as one long text and as many small values, over HIRO's graph-ws and over
 * Saga's socket, with nobody subscribed. The CPU is that of everything involved: edge, NATS, graph-store, PostgreSQL and Redis.
 */
import { startService } from '@polyedge/testkit/servers/service';
import { session } from '../services/saga-edge/test/client.ts';
import { GraphSocket, requestHead } from './lib/graph-clients.ts';
import { measuredLoop } from './lib/measured-loop.ts';
import { readOptions, seededText } from './lib/options.ts';
import { inRounds, report, type Sample } from './lib/report.ts';
import { profiling, startSystem } from './lib/system.ts';

const BYTES = 2 ** 20;
const WARM_UP_MS = 2000;
/** A socket may send 8 MiB a second: enough of them for the loop never to wait for that. */
const SOCKETS = 16;
/** Different values in turn, so that each write changes something. */
const VALUES = 4;

const options = readOptions({ seconds: 5, seed: 1, rounds: 3 });

await using parts = new AsyncDisposableStack();
const system = parts.use(await startSystem());
const { nats, hiro, store, postgres, redis } = system;
const saga = parts.use(
  await startService({ name: 'saga-edge', env: { NATS_URL: nats.url, LOG_LEVEL: 'warn', ...profiling('saga-edge') } }),
);
const behind = { 'graph-store': store.pid, nats: nats.pid, postgres: postgres.pid, redis: redis.pid };

const texts = Array.from({ length: VALUES }, (_, at) => seededText(BYTES, options.seed + at));
/** As JSON: 4,096 attributes of 256 bytes in all with their names. */
const members = texts.map((text) => JSON.stringify(inPieces(text)).slice(1, -1));

const sockets: GraphSocket[] = [];
for (let at = 0; at < SOCKETS; at += 1) sockets.push(await GraphSocket.open(hiro.port, '/api/graph-ws/6.1/', system.token));
let nextRequest = 1;
for (const kind of ['text', 'texts']) {
  for (let at = 0; at < SOCKETS; at += 1) {
    await ask(at, `"type":"create","headers":{"ogit/_type":"ogit/Bench"},"body":{"ogit/_id":"${kind}-${at}"}}`);
  }
}

const client = await session(saga.url, { username: 'admin', password: 'benchmark-password' });
parts.defer(() => client.close());

const samples = await inRounds(
  [
    { name: 'hiro, one text', measure: () => overGraphWs('text', (at) => `"/text":"${texts[at]}"`) },
    { name: 'hiro, 4,096 texts', measure: () => overGraphWs('texts', (at) => members[at] ?? '') },
    { name: 'saga, one text', measure: () => overSaga((at) => texts[at]) },
    { name: 'saga, 4,096 texts', measure: () => overSaga((at) => inPieces(texts[at] ?? '')) },
  ],
  options,
);
report({ name: 'big-value', unit: 'one acknowledged write of 1 MiB', options, samples, goals: [] });
await parts.disposeAsync();
process.exit(0);

function inPieces(text: string): Record<string, string> {
  const pieces: Record<string, string> = {};
  for (let at = 0; at < text.length; at += 256) pieces[`/${String(at).padStart(9, '0')}`] = text.slice(at, at + 256 - 15);
  return pieces;
}

function ask(socket: number, rest: string): Promise<void> {
  const request = nextRequest++;
  return new Promise((resolve, reject) => {
    sockets[socket]?.ask(request, `${requestHead(request)},${rest}`, (failure) => {
      if (failure === undefined) resolve();
      else reject(new Error(failure.slice(0, 500)));
    });
  });
}

async function overGraphWs(kind: string, body: (at: number) => string): Promise<Sample> {
  let turn = 0;
  const { sample } = await measuredLoop(
    { 'hiro-edge': hiro.pid, ...behind },
    {
      inFlight: 1,
      warmUpMs: WARM_UP_MS,
      ms: options.seconds * 1000,
      start: (_lane, answered) => {
        turn += 1;
        const socket = turn % SOCKETS;
        const attributes = body((turn >> 4) % VALUES);
        ask(socket, `"type":"update","headers":{"ogit/_id":"${kind}-${socket}"},"body":{${attributes}}}`).then(
          () => answered(undefined),
          (error: Error) => answered(error.message),
        );
      },
    },
  );
  return sample;
}

async function overSaga(value: (at: number) => unknown): Promise<Sample> {
  let turn = 0;
  const { sample } = await measuredLoop(
    { 'saga-edge': saga.pid, ...behind },
    {
      inFlight: 1,
      warmUpMs: WARM_UP_MS,
      ms: options.seconds * 1000,
      start: (_lane, answered) => {
        turn += 1;
        void client.send('/globals/properties', { name: `big${turn % SOCKETS}`, value: value((turn >> 4) % VALUES) }).then((ack) => {
          answered(ack.status_code < 300 ? undefined : JSON.stringify(ack).slice(0, 500));
        });
      },
    },
  );
  return sample;
}
