/**
 * Several listeners on one port. Node accepts one connection per listener and turn of its event loop (libuv 1.45, libuv/libuv#3696). A turn
 * takes long where a process has much to do, and new connections, and calls on them, would wait for as many turns as there are connections
 * before them: after a restart of an edge the clients of another one, all at once.
 */
import { createServer, type Server } from 'node:net';
import { Server as TlsServer } from 'node:tls';

/** Connections accepted per turn. Other systems do not share a port among listeners. */
const LISTENERS = process.platform === 'linux' ? 8 : 1;

/** What `listen` of a server takes. */
interface ListenAt {
  readonly host: string;
  readonly port: number;
  readonly reusePort: boolean;
}

const others = new WeakMap<Server, readonly Server[]>();

/**
 * Opens the port of a server and adds listeners that pass their connections to it. Rejects with the error of `listen`, such as EADDRINUSE.
 * Processes of one user that open the same port at the same moment may share it unnoticed.
 *
 * @param listen opens the server's own listener
 */
export async function openListeners(
  server: Server,
  { host, port }: Pick<ListenAt, 'host' | 'port'>,
  listen: (at: ListenAt) => Promise<unknown>,
): Promise<void> {
  const reusePort = LISTENERS > 1;
  // A port that is shared can be opened again by the same user. It is opened alone first, which fails if anybody has it.
  if (reusePort && port !== 0) {
    const probe = createServer();
    await opened(probe, { host, port, reusePort: false });
    await closed(probe);
  }
  await listen({ host, port, reusePort });
  const address = server.address();
  if (address === null || typeof address === 'string') return;
  // As the server's own listener makes them.
  const sockets = { allowHalfOpen: !(server instanceof TlsServer), noDelay: true };
  const added = Array.from({ length: LISTENERS - 1 }, () => createServer(sockets, (socket) => server.emit('connection', socket)));
  others.set(server, added);
  await Promise.all(added.map((other) => opened(other, { host, port: address.port, reusePort })));
}

/** Closes the added listeners. Resolves once their connections have ended; call it when those are being closed. */
export async function closeListeners(server: Server): Promise<void> {
  await Promise.all((others.get(server) ?? []).map(closed));
}

/** Resolves once a server listens; rejects if it cannot. */
export function opened(server: Server, at: ListenAt): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ ...at }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
  });
}
