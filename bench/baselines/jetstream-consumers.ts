// Serves a JetStream stream over WebSockets as a plain program would. `groupId` names a durable pull consumer that its sockets share, and a message
// is acknowledged when it is written; with `ordered` in the query a socket has an ordered consumer of its own, without acknowledgements.
// Arguments: URL of NATS, stream.
import { createServer } from 'node:http';
import { AckPolicy, type Consumer, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { type WebSocket, WebSocketServer } from 'ws';
import { listenLocally } from '../lib/listen-locally.ts';

const [servers = '', stream = ''] = process.argv.slice(2);
const MOST = 256;
const ACK_WAIT_NS = 1_000_000_000;
const HIGH_WATER_BYTES = 1024 * 1024;

const connection = await connect({ servers: servers.replace('nats://', '') });
const client = jetstream(connection);
const manager = await jetstreamManager(connection);
const server = createServer();

async function consumerOf(query: URLSearchParams): Promise<Consumer> {
  if (query.has('ordered')) return client.consumers.get(stream);
  const durable_name = query.get('groupId') ?? 'group';
  await manager.consumers.add(stream, { durable_name, ack_policy: AckPolicy.Explicit, ack_wait: ACK_WAIT_NS, max_ack_pending: 8 * MOST });
  return client.consumers.get(stream, durable_name);
}

async function serve(ws: WebSocket, query: URLSearchParams): Promise<void> {
  const messages = await (await consumerOf(query)).consume({ max_messages: MOST });
  ws.on('error', () => {});
  ws.on('close', () => messages.stop());
  for await (const message of messages) {
    if (ws.readyState !== ws.OPEN) break;
    ws.send(message.string());
    if (!query.has('ordered')) message.ack();
    while (ws.bufferedAmount > HIGH_WATER_BYTES && ws.readyState === ws.OPEN) await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

new WebSocketServer({ server, perMessageDeflate: false }).on(
  'connection',
  (ws, { url }) => void serve(ws, new URL(url ?? '/', 'http://localhost').searchParams),
);
process.send?.({ port: await listenLocally(server) });
