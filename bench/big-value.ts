/**
 * `big-value`: one write of 1 MiB until its commit is acknowledged, as one long text and as many small values, over HIRO's graph-ws and over
 * Saga's socket, with nobody subscribed. The CPU is that of everything involved: edge, NATS, graph-store, PostgreSQL and Redis. With
 * `BENCH_CHECKOUT=FOLDER` the services of another version take their turns, too.
 */
import { startService } from '@polyedge/testkit/servers/service';
import { session } from '../services/saga-edge/test/client.ts';
import { GraphSocket, requestHead } from './lib/graph-clients.ts';
import { measuredLoop } from './lib/measured-loop.ts';
import { readOptions, seededText } from './lib/options.ts';
import { inRounds, report, type Sample, type Variant } from './lib/report.ts';
import { otherCheckout, profiling, startSystem } from './lib/system.ts';

const BYTES = 2 ** 20;
const WARM_UP_MS = 2000;
/** A socket may send 8 MiB a second: enough of them for the loop never to wait for that. */
const SOCKETS = 16;
/** Different values in turn, so that each write changes something. */
const VALUES = 4;

const options = readOptions({ seconds: 5, seed: 1, rounds: 3 });
const texts = Array.from({ length: VALUES }, (_, at) => seededText(BYTES, options.seed + at));
/** As JSON: 4,096 attributes of 256 bytes in all with their names. */
const members = texts.map((text) => JSON.stringify(inPieces(text)).slice(1, -1));

let nextRequest = 0;

await using parts = new AsyncDisposableStack();
const here = await startVersion('');
const there = otherCheckout === undefined ? [] : await startVersion('other ', otherCheckout);
const samples = await inRounds(
  here.flatMap((variant, at) => [variant, ...there.slice(at, at + 1)]),
  options,
);
report({
  name: 'big-value',
  unit: 'one acknowledged write of 1 MiB',
  options,
  samples,
  goals: here.map(({ name }) => ({ of: name, by: `other ${name}`, figure: 'cpuUs' })),
});
await parts.disposeAsync();
process.exit(0);

/** Starts the services of one version, and returns what is measured. */
async function startVersion(prefix: string, checkout?: string): Promise<readonly Variant[]> {
  const { nats, hiro, store, postgres, redis, token } = parts.use(await startSystem('', checkout));
  const saga = parts.use(
    await startService({
      name: 'saga-edge',
      ...(checkout === undefined ? {} : { checkout }),
      env: { NATS_URL: nats.url, LOG_LEVEL: 'warn', ...profiling('saga-edge') },
    }),
  );
  const behind = { 'graph-store': store.pid, nats: nats.pid, postgres: postgres.pid, redis: redis.pid };
  const sockets: GraphSocket[] = [];
  for (let at = 0; at < SOCKETS; at += 1) sockets.push(await GraphSocket.open(hiro.port, '/api/graph-ws/6.1/', token));
  for (const kind of ['text', 'texts']) {
    for (const [at, socket] of sockets.entries()) {
      await ask(socket, `"type":"create","headers":{"ogit/_type":"ogit/Bench"},"body":{"ogit/_id":"${kind}-${at}"}}`);
    }
  }
  const client = await session(saga.url, { username: 'admin', password: 'benchmark-password' });
  parts.defer(() => client.close());

  const measure = async (pids: Readonly<Record<string, number>>, write: (turn: number) => Promise<string | undefined>) => {
    let turn = 0;
    const { sample } = await measuredLoop(
      { ...pids, ...behind },
      {
        inFlight: 1,
        warmUpMs: WARM_UP_MS,
        ms: options.seconds * 1000,
        start: (_lane, answered) => {
          turn += 1;
          void write(turn).then(answered);
        },
      },
    );
    return sample;
  };
  const overGraphWs = (kind: string, body: (at: number) => string): Promise<Sample> =>
    measure({ 'hiro-edge': hiro.pid }, (turn) => {
      const socket = turn % SOCKETS;
      const attributes = body((turn >> 4) % VALUES);
      return ask(sockets[socket], `"type":"update","headers":{"ogit/_id":"${kind}-${socket}"},"body":{${attributes}}}`);
    });
  const overSaga = (value: (at: number) => unknown): Promise<Sample> =>
    measure({ 'saga-edge': saga.pid }, async (turn) => {
      const ack = await client.send('/globals/properties', { name: `big${turn % SOCKETS}`, value: value((turn >> 4) % VALUES) });
      return ack.status_code < 300 ? undefined : JSON.stringify(ack).slice(0, 500);
    });
  return [
    { name: `${prefix}hiro, one text`, measure: () => overGraphWs('text', (at) => `"/text":"${texts[at]}"`) },
    { name: `${prefix}hiro, 4,096 texts`, measure: () => overGraphWs('texts', (at) => members[at] ?? '') },
    { name: `${prefix}saga, one text`, measure: () => overSaga((at) => texts[at]) },
    { name: `${prefix}saga, 4,096 texts`, measure: () => overSaga((at) => inPieces(texts[at] ?? '')) },
  ];
}

function inPieces(text: string): Record<string, string> {
  const pieces: Record<string, string> = {};
  for (let at = 0; at < text.length; at += 256) pieces[`/${String(at).padStart(9, '0')}`] = text.slice(at, at + 256 - 15);
  return pieces;
}

/** Sends a request and resolves with its failure, if it has one. */
function ask(socket: GraphSocket | undefined, rest: string): Promise<string | undefined> {
  nextRequest += 1;
  const request = nextRequest;
  return new Promise((resolve) => socket?.ask(request, `${requestHead(request)},${rest}`, resolve));
}
