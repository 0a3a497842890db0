// Serves a stream of Redis over WebSockets as a plain program would: every socket is a consumer of one consumer group, an entry is acknowledged
// when it is written, and entries left by a broken socket are claimed by the others. Arguments: URL of Redis, stream.
import type { AddressInfo } from 'node:net';
import { Redis } from 'ioredis';
import { type WebSocket, WebSocketServer } from 'ws';

const [url = '', stream = ''] = process.argv.slice(2);
const COUNT = 64;
const IDLE_MS = 1000;
const HIGH_WATER_BYTES = 1024 * 1024;

type Entries = [string, string[]][];

const control = new Redis(url, { protocol: 2 });
const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false });
let count = 0;

server.on('connection', (ws, request) => {
  count += 1;
  const group = new URL(request.url ?? '/', 'http://localhost').searchParams.get('groupId') ?? 'group';
  void serve(ws, group, `c${count}`);
});

async function serve(ws: WebSocket, group: string, consumer: string): Promise<void> {
  await control.xgroup('CREATE', stream, group, '0').catch(() => {});
  const redis = new Redis(url, { protocol: 2 });
  let claimedAt = performance.now();
  ws.on('error', () => {});
  while (ws.readyState === ws.OPEN) {
    const read = (await redis.xreadgroup('GROUP', group, consumer, 'COUNT', COUNT, 'BLOCK', 100, 'STREAMS', stream, '>')) as
      | [string, Entries][]
      | null;
    let entries: Entries = read?.[0]?.[1] ?? [];
    if (performance.now() - claimedAt > IDLE_MS) {
      claimedAt = performance.now();
      const claimed = (await redis.xautoclaim(stream, group, consumer, IDLE_MS, '0', 'COUNT', 500)) as [string, Entries];
      entries = [...claimed[1].filter((entry) => entry[1] !== null), ...entries];
    }
    if (entries.length === 0) continue;
    for (const [, fields] of entries) ws.send(fields[3] ?? '');
    while (ws.bufferedAmount > HIGH_WATER_BYTES && ws.readyState === ws.OPEN) await new Promise((resolve) => setTimeout(resolve, 2));
    if (ws.readyState === ws.OPEN) await redis.xack(stream, group, ...entries.map(([id]) => id));
  }
  redis.disconnect();
}

server.on('listening', () => process.send?.((server.address() as AddressInfo).port));
