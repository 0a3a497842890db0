/**
 * The plain form of fan-out and of an idle server with Socket.IO: every client in one room, `io.to(room).emit(…)`. Takes `{ text, number, count }`. With
 * the URL of a Redis as argument it uses the Redis Streams adapter and connection state recovery: what is emitted goes to a stream, too, and says where it is.
 */
import { createServer } from 'node:http';
import { createAdapter } from '@socket.io/redis-streams-adapter';
import { Redis } from 'ioredis';
import { Server } from 'socket.io';
import { listenLocally } from '../lib/listen-locally.ts';
import { numbered } from '../lib/numbered.ts';

const server = createServer();
// The receivers do not answer Engine.IO's pings; without pings in the measured time Socket.IO has less work, not more.
const [redis] = process.argv.slice(2);
const io = new Server(server, {
  ...{ transports: ['websocket'], perMessageDeflate: false, pingInterval: 3_600_000, pingTimeout: 3_600_000 },
  ...(redis === undefined ? {} : { adapter: createAdapter(new Redis(redis, { protocol: 2 })), connectionStateRecovery: {} }),
});
io.on('connection', (socket) => void socket.join('all'));
process.on('message', ({ text, number, count }: { text: string; number: number; count: number }) => {
  for (let at = 0; at < count; at += 1) io.to('all').emit('m', numbered(number + at, text));
});
process.send?.({ port: await listenLocally(server) });
