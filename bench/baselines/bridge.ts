/** A minimal hand-written WebSocket-to-NATS bridge with `ws` and the NATS client. No tokens, checks, limits, metrics or ordering. */
import { createServer } from 'node:http';
import { connect } from '@nats-io/transport-node';
import { WebSocketServer } from 'ws';
import { listenLocally } from '../lib/listen-locally.ts';

const [servers = '', subject = ''] = process.argv.slice(2);
const nats = await connect({ servers: servers.replace('nats://', '') });
const server = createServer();
const webSockets = new WebSocketServer({ server, perMessageDeflate: false });

webSockets.on('connection', (socket) => {
  socket.on('message', async (data) => {
    // Client input is trusted here.
    const { id, headers } = JSON.parse(String(data)) as { id: string; headers: { 'ogit/_id': string } };
    try {
      const reply = await nats.request(subject, JSON.stringify({ ids: [headers['ogit/_id']] }), { timeout: 10_000 });
      const { elements } = reply.json<{ elements: readonly unknown[] }>();
      socket.send(JSON.stringify({ id, multi: false, more: false, body: elements[0] }));
    } catch (error) {
      socket.send(JSON.stringify({ id, error: { code: 500, message: String(error) } }));
    }
  });
});

process.on('SIGTERM', async () => {
  webSockets.close();
  await nats.drain();
  process.exit(0);
});

process.send?.({ port: await listenLocally(server) });
