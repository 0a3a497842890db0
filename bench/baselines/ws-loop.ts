/** The plain form of fan-out and of an idle server with `ws`: `client.send(text)` for each client. Takes `{ text, number, count }`. */
import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';
import { listenLocally } from '../lib/listen-locally.ts';
import { numbered } from '../lib/numbered.ts';

const server = createServer();
const webSockets = new WebSocketServer({ server, perMessageDeflate: false });
process.on('message', ({ text, number, count }: { text: string; number: number; count: number }) => {
  for (let at = 0; at < count; at += 1) {
    const message = numbered(number + at, text);
    for (const client of webSockets.clients) client.send(message);
  }
});
process.send?.({ port: await listenLocally(server) });
