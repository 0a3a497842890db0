import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** A proxy to a TCP server whose connections can be cut. */
export interface Gateway extends AsyncDisposable {
  readonly port: number;
  /** Ends every connection and rejects new ones. */
  cut(): void;
  mend(): void;
  /** Directs new connections to another server, and ends those to the previous one. */
  lead(to: number): void;
}

/** @param first the server's port, or a function that returns the port for the next connection */
export async function openGateway(first: number | (() => number)): Promise<Gateway> {
  const sockets = new Set<Socket>();
  let isCut = false;
  let to = first;
  const server = createServer((client) => {
    if (isCut) {
      client.destroy();
      return;
    }
    const upstream = connect({ port: typeof to === 'number' ? to : to(), host: '127.0.0.1' });
    for (const [from, into] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from);
      from.on('error', () => {});
      from.on('close', () => {
        sockets.delete(from);
        into.destroy();
      });
      from.pipe(into);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  // For a TCP server `address()` returns this type; null and a path belong to other kinds.
  const { port } = server.address() as AddressInfo;
  const cut = () => {
    isCut = true;
    for (const socket of sockets) socket.destroy();
  };
  return {
    port,
    cut,
    mend: () => {
      isCut = false;
    },
    lead: (other) => {
      to = other;
      for (const socket of sockets) socket.destroy();
    },
    [Symbol.asyncDispose]: async () => {
      cut();
      server.close();
      await once(server, 'close');
    },
  };
}
