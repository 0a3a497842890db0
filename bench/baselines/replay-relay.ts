// The lower bound of a member's catch-up in Node: XRANGE over one stream, each change parsed, filtered, encoded as an event with the same keys and
// sent by `ws`, with a ping after each page, whose pong is awaited while the next page is read. No groups, leases, positions, bounds or tokens.
import { createServer } from 'node:http';
import type { FullChange } from '@polyedge/contracts/change';
import { Redis } from 'ioredis';
import { type WebSocket, WebSocketServer } from 'ws';
import { listenLocally } from '../lib/listen-locally.ts';

const PAGE = 256;
const redis = new Redis(process.argv[2] ?? '', { protocol: 2 });
let stream = '';

async function relay(socket: WebSocket): Promise<void> {
  let from = '-';
  let confirmed: Promise<unknown> = Promise.resolve();
  while (socket.readyState === socket.OPEN) {
    const entries = await redis.xrange(stream, from, '+', 'COUNT', PAGE);
    if (entries.length === 0) break;
    from = `(${entries.at(-1)?.[0] ?? ''}`;
    await confirmed;
    for (const [, fields] of entries) {
      const { id, action, seq, on, state } = JSON.parse(fields[3] ?? '') as FullChange; // written by graph-store
      if (state.type !== 'ogit/Replay') continue;
      const { created, modified } = state;
      const body = {
        ...state.attributes,
        ...{
          'ogit/_id': id,
          'ogit/_type': state.type,
          'ogit/_scope': state.scope,
          'ogit/_v': state.version,
          'ogit/_graphtype': state.kind,
        },
        ...{
          'ogit/_created-on': created.on,
          'ogit/_created-by': created.by,
          'ogit/_modified-on': modified.on,
          'ogit/_modified-by': modified.by,
        },
      };
      const metadata = { 'ogit/_modified-by': modified.by, 'ogit/_modified-by-app': modified.app, 'ogit/_modified-on': modified.on };
      socket.send(JSON.stringify({ id, body, metadata, nanotime: seq, timestamp: on, type: action.toUpperCase() }));
    }
    confirmed = new Promise((resolve) => socket.once('pong', resolve));
    socket.ping();
  }
}

const server = createServer();
new WebSocketServer({ server, perMessageDeflate: false }).on('connection', (socket) => void relay(socket));
process.on('message', (question: { readonly stream: string }) => {
  stream = question.stream;
  process.send?.(true);
});
process.on('disconnect', () => process.exit(0));
process.send?.({ port: await listenLocally(server) });
