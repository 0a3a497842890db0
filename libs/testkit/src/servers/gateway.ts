import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** A way to a TCP server that can be cut and mended. */
export interface Gateway extends AsyncDisposable {
  readonly port: number;
  /** Ends every connection and refuses further ones. */
  cut(): void;
  mend(): void;
  /** Leads new connections to another server, and ends those to the one of before. */
  lead(to: number): void;
}

/** @param first the server's port, or which one the next connection leads to */
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
  // Of a TCP server `address()` is this type; null and a path belong to other kinds.
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
