// `npm run watch [-- 'JFILTER']`: shows live events of the running system, as a HIRO client receives them, until Ctrl-C.
import { addressOf, adminPassword, logIn } from './running-system.ts';

const filter = process.argv[2] ?? '(element.ogit/_id=*)';
try {
  const token = await logIn(process.env.POLYEDGE_ADMIN_USERNAME ?? 'admin', adminPassword());
  const url = new URL('/api/events-ws/6.2/', addressOf('hiro-edge'));
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  const socket = new WebSocket(url, ['events-1.0.0', `token-${token}`]);
  socket.addEventListener('open', () => {
    socket.send(JSON.stringify({ type: 'register', args: { 'filter-id': 'watch', 'filter-type': 'jfilter', 'filter-content': filter } }));
    console.error(`watching ${filter}; Ctrl-C ends it`);
  });
  socket.addEventListener('message', ({ data }) => console.log(String(data)));
  socket.addEventListener('close', ({ code, reason }) => {
    console.error(`the connection was closed (${code}) ${reason}`);
    process.exitCode = 1;
  });
} catch (error) {
  console.error(`polyedge: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
