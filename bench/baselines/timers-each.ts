/** Keep-alives in their simplest form: each connection has a timer for its heartbeat and one that every message resets; `ws` does the rest. */
import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';
import { listenLocally } from '../lib/listen-locally.ts';

const PERIOD_MS = 300;
const IDLE_MS = 3000;

const server = createServer();
new WebSocketServer({ server, perMessageDeflate: false }).on('connection', (socket) => {
  const beat = setInterval(() => socket.send('`'), PERIOD_MS);
  let idle = setTimeout(() => socket.close(4408), IDLE_MS);
  socket.on('message', () => {
    clearTimeout(idle);
    idle = setTimeout(() => socket.close(4408), IDLE_MS);
  });
  socket.on('close', () => {
    clearInterval(beat);
    clearTimeout(idle);
  });
});
process.on('message', () => {});
process.on('disconnect', () => process.exit(0));
process.send?.({ port: await listenLocally(server) });
