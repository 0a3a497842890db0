/** A way to PostgreSQL that fails where a test wants it to: after so many messages of the server, in one of several manners. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** `reset`: RST. `end`: FIN. `refused` and `ended`: the server says why, as a FATAL, and then FIN. */
export type Manner = 'reset' | 'end' | 'refused' | 'ended';

export interface FaultyGateway extends AsyncDisposable {
  readonly port: number;
  /** Connections made so far. */
  readonly connections: number;
  /** Connections that are still to end as planned, or have not come that far. */
  readonly planned: number;
  /** The next connections, so many, end in this manner after so many messages. */
  fail(manner: Manner, afterMessages: number, connections?: number): void;
  /** Ends everything that is open, now. */
  endAll(manner: Manner): void;
  /** Every chunk waits so long, either way. */
  delay(ms: number): void;
}

export async function openFaultyGateway(to: number): Promise<FaultyGateway> {
  const open = new Set<{ readonly client: Socket; readonly upstream: Socket }>();
  const plans: { readonly manner: Manner; readonly after: number }[] = [];
  let connections = 0;
  let planned = 0;
  let delayMs = 0;
  const end = (client: Socket, upstream: Socket, manner: Manner): void => {
    upstream.destroy();
    if (manner === 'reset') client.resetAndDestroy();
    else if (manner === 'end') client.end();
    else
      client.end(
        manner === 'refused'
          ? fatal('57P03', 'the database system is not yet accepting connections')
          : fatal('57P01', 'terminating connection due to administrator command'),
      );
  };
  const server = createServer((client) => {
    connections += 1;
    const plan = plans.shift();
    const upstream = connect({ port: to, host: '127.0.0.1', noDelay: true });
    const pair = { client, upstream };
    open.add(pair);
    for (const socket of [client, upstream]) socket.on('error', () => {});
    client.on('close', () => {
      open.delete(pair);
      if (plan !== undefined) planned -= 1;
      upstream.destroy();
    });
    upstream.on('close', () => client.destroySoon());
    const later = (work: () => void) => (delayMs === 0 ? work() : setTimeout(work, delayMs));
    client.on('data', (chunk) => later(() => upstream.writable && upstream.write(chunk)));
    let messages = 0;
    let rest = Buffer.alloc(0);
    upstream.on('data', (chunk) =>
      later(() => {
        if (plan === undefined) {
          if (client.writable) client.write(chunk);
          return;
        }
        rest = Buffer.concat([rest, chunk]);
        while (rest.length >= 5 && rest.length > rest.readUInt32BE(1)) {
          const size = rest.readUInt32BE(1) + 1;
          if (messages === plan.after) {
            end(client, upstream, plan.manner);
            return;
          }
          messages += 1;
          if (client.writable) client.write(rest.subarray(0, size));
          rest = rest.subarray(size);
        }
      }),
    );
    if (plan?.after === 0) end(client, upstream, plan.manner);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  // Of a TCP server `address()` is this type; null and a path belong to other kinds.
  const { port } = server.address() as AddressInfo;
  return {
    port,
    get connections() {
      return connections;
    },
    get planned() {
      return planned;
    },
    fail(manner, after, count = 1) {
      for (let n = 0; n < count; n += 1) plans.push({ manner, after });
      planned += count;
    },
    endAll(manner) {
      for (const { client, upstream } of [...open]) end(client, upstream, manner);
    },
    delay(ms) {
      delayMs = ms;
    },
    async [Symbol.asyncDispose]() {
      for (const { client, upstream } of open) {
        client.destroy();
        upstream.destroy();
      }
      server.close();
    },
  };
}

/** An ErrorResponse of severity FATAL. */
function fatal(code: string, message: string): Buffer {
  const fields = Buffer.from(`SFATAL\0VFATAL\0C${code}\0M${message}\0\0`);
  const head = Buffer.alloc(5);
  head.write('E');
  head.writeUInt32BE(fields.length + 4, 1);
  return Buffer.concat([head, fields]);
}
