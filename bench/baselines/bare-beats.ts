/**
 * The lower bound of a heartbeat's cost: plain TCP sockets after a WebSocket handshake, one shared frame written to each, every incoming byte
 * dropped unread. No liveness checks, parsing or timers: only Node and the kernel remain.
 */
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import type { Duplex } from 'node:stream';
import { listenLocally } from '../lib/listen-locally.ts';

const PERIOD_MS = 300;
const SLOTS = 30;
const BEAT = Buffer.from([0x81, 1, 0x60]);
/** RFC 6455, section 1.3. */
const HANDSHAKE_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

const slots = Array.from({ length: SLOTS }, () => new Set<Duplex>());
let joined = 0;
const server = createServer().on('upgrade', (request, socket) => {
  const accept = createHash('sha1').update(`${request.headers['sec-websocket-key']}${HANDSHAKE_GUID}`).digest('base64');
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
  const slot = slots[joined % SLOTS];
  joined += 1;
  slot?.add(socket);
  socket.on('error', () => {});
  socket.on('close', () => slot?.delete(socket));
  socket.resume();
});
const began = performance.now();
let ticks = 0;
setInterval(() => {
  const due = Math.floor(((performance.now() - began) * SLOTS) / PERIOD_MS);
  for (; ticks < due; ticks += 1) for (const socket of slots[ticks % SLOTS] ?? []) socket.write(BEAT);
}, PERIOD_MS / SLOTS);
process.on('message', () => {});
process.on('disconnect', () => process.exit(0));
process.send?.({ port: await listenLocally(server) });
