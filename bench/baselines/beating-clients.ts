/**
 * Good Uncle clients that only send heartbeats: one character every 300 ms each. Arguments: port, number of clients. For `{ seconds }` it
 * answers how late the server's heartbeats were in that time.
 */
import { RawSocket } from '../lib/raw-socket.ts';
import { Latencies } from '../lib/statistics.ts';

const PERIOD_MS = 300;
const SLOTS = 30;
const AT_ONCE = 50;

const [port = '0', count = '1'] = process.argv.slice(2);
const sockets: RawSocket[] = [];
let late = new Latencies();
let beats = 0;
let measuring = false;

async function open(): Promise<void> {
  let heardAt = 0;
  const socket = await RawSocket.open(Number(port), '/', {
    onMessage: () => {
      const now = performance.now();
      if (measuring) {
        beats += 1;
        if (heardAt > 0) late.add(Math.max(0, now - heardAt - PERIOD_MS));
      }
      heardAt = now;
    },
  });
  sockets.push(socket);
}

// Starts with the first socket, otherwise those that open early would be silent for too long.
let slot = 0;
setInterval(() => {
  for (let at = slot; at < sockets.length; at += SLOTS) sockets[at]?.send('`');
  slot = (slot + 1) % SLOTS;
}, PERIOD_MS / SLOTS);

while (sockets.length < Number(count)) {
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, Number(count) - sockets.length) }, open));
}

process.on('message', ({ seconds }: { seconds: number }) => {
  late = new Latencies();
  beats = 0;
  measuring = true;
  const before = process.cpuUsage();
  setTimeout(() => {
    measuring = false;
    const { user, system } = process.cpuUsage(before);
    const lost = sockets.filter((socket) => socket.closed).length;
    process.send?.({ beats, p50Ms: late.quantile(0.5), p99Ms: late.quantile(0.99), lost, driver: (user + system) / 1e6 / seconds });
  }, seconds * 1000);
});
process.on('disconnect', () => process.exit(0));
process.send?.({});
