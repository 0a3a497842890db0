/**
 * Where handshakes come in. One with the right `auth` header goes to the listener for cores and publishers, any other to the one for clients;
 * the header is checked while the upgrade waits, so whatever follows the 101 already finds its connection known or unknown.
 */
import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Log } from '@polyedge/service-kit/log';
import type { ServerSecret } from '../server-secret.ts';
import { BUSY_INSTEAD_OF_UPGRADE, HEALTH_INSTEAD_OF_UPGRADE } from './answers.ts';

export interface GateOptions {
  readonly server: Server;
  /** Never listen themselves: handshakes are handed over to the WebSocket listener that hangs on them. */
  readonly doors: { readonly clients: Server; readonly trusted: Server };
  readonly secret: ServerSecret;
  readonly trustProxy: boolean;
  /** Whether a line is written for every handshake, with what X-Forwarded-For says, as the original does. */
  readonly logForwarded: boolean;
  readonly log: Log;
}

export function openGate({ server, doors, secret, trustProxy, logForwarded, log }: GateOptions): void {
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    if (request.url === '/healthz') {
      refuse(socket, HEALTH_INSTEAD_OF_UPGRADE);
      return;
    }
    if (logForwarded) log.info('handshake', { id: forwardedFor(request).slice(0, 200) || 'None' });
    const given = takeSecret(request);
    if (given === undefined) {
      doors.clients.emit('upgrade', request, socket, head);
      return;
    }
    socket.on('error', destroy);
    void secret.check(given, addressOf(request, trustProxy)).then((verdict) => {
      if (socket.destroyed) return;
      // A core tries again; as an ordinary client it would be told that its secret is wrong.
      if (verdict === 'busy') refuse(socket, BUSY_INSTEAD_OF_UPGRADE);
      else doors[verdict === 'right' ? 'trusted' : 'clients'].emit('upgrade', request, socket, head);
    });
  });
}

/** The secret of the handshake, which from now on is nowhere in the request. Undefined without one; blank is none. */
export function takeSecret(request: IncomingMessage): Uint8Array | undefined {
  const { auth } = request.headers;
  delete request.headers.auth;
  request.rawHeaders = request.rawHeaders.map((text, at, all) => (at % 2 === 1 && all[at - 1]?.toLowerCase() === 'auth' ? '***' : text));
  if (typeof auth !== 'string' || auth.trim() === '') return undefined;
  // Node reads headers as Latin-1; clients write UTF-8.
  return Buffer.from(auth, 'latin1');
}

const forwardedFor = ({ headers }: IncomingMessage): string => [headers['x-forwarded-for'] ?? ''].flat().join(',');

/** The client's address: what the nearest proxy says, where proxies are trusted. */
export function addressOf(request: IncomingMessage, trustProxy: boolean): string {
  const listed = forwardedFor(request).split(',').at(-1)?.trim() ?? '';
  return trustProxy && listed !== '' ? listed : (request.socket.remoteAddress ?? '');
}

function refuse(socket: Duplex, answer: string): void {
  socket.on('error', destroy);
  socket.once('finish', destroy);
  socket.end(answer);
}

function destroy(this: Duplex): void {
  this.destroy();
}
