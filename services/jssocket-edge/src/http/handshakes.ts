/**
 * Accepts handshakes. One with the right `auth` header goes to the listener for cores and publishers, any other to the one for clients.
 * The header is checked before the upgrade, so that a connection is known as trusted or not when the 101 is sent.
 */
import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { clientAddress } from '@polyedge/service-kit/client-address';
import type { Log } from '@polyedge/service-kit/log';
import type { ServerSecret } from '../server-secret.ts';
import { BUSY_INSTEAD_OF_UPGRADE, HEALTH_INSTEAD_OF_UPGRADE } from './answers.ts';

export interface HandshakeOptions {
  readonly server: Server;
  /** Servers that do not listen: handshakes are passed to the WebSocket listeners attached to them. */
  readonly doors: { readonly clients: Server; readonly trusted: Server };
  readonly secret: ServerSecret;
  readonly trustProxy: boolean;
  /** Whether to log every handshake with its X-Forwarded-For header, as the original does. */
  readonly logForwarded: boolean;
  readonly log: Log;
}

/** How much a client may send before its handshake is answered; nothing more is read until then. */
const MAX_EARLY_BYTES = 64 * 1024;

/** Returns a function that ends the handshakes whose secret is still being checked. */
export function acceptHandshakes({ server, doors, secret, trustProxy, logForwarded, log }: HandshakeOptions): () => void {
  const waiting = new Set<Duplex>();
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
    waiting.add(socket);
    const finish = readMeanwhile(socket);
    void secret
      .check(given, clientAddress(request, trustProxy), () => socket.destroyed)
      .then((verdict) => {
        waiting.delete(socket);
        const early = finish();
        if (socket.destroyed) return;
        // A core retries. If it were accepted as an ordinary client, it would receive an error for its secret.
        if (verdict === 'busy') refuse(socket, BUSY_INSTEAD_OF_UPGRADE);
        else doors[verdict === 'right' ? 'trusted' : 'clients'].emit('upgrade', request, socket, Buffer.concat([head, ...early]));
      });
  });
  return () => {
    for (const socket of waiting) socket.destroy();
  };
}

/**
 * Reads from a socket, since only a reader notices that a client has left. The returned function stops reading and returns the received
 * chunks.
 */
function readMeanwhile(socket: Duplex): () => readonly Buffer[] {
  const early: Buffer[] = [];
  let bytes = 0;
  const onData = (part: Buffer): void => {
    early.push(part);
    bytes += part.length;
    if (bytes > MAX_EARLY_BYTES) socket.pause();
  };
  socket.on('data', onData);
  socket.on('end', destroy);
  return () => {
    socket.off('data', onData);
    socket.off('end', destroy);
    if (socket.isPaused()) socket.resume();
    return early;
  };
}

/** Takes the secret out of the handshake's headers. Undefined if there is none or it is blank. */
export function takeSecret(request: IncomingMessage): Uint8Array | undefined {
  const { auth } = request.headers;
  delete request.headers.auth;
  request.rawHeaders = request.rawHeaders.map((text, at, all) => (at % 2 === 1 && all[at - 1]?.toLowerCase() === 'auth' ? '***' : text));
  if (typeof auth !== 'string' || auth.trim() === '') return undefined;
  // Node reads headers as Latin-1; clients write UTF-8.
  return Buffer.from(auth, 'latin1');
}

const forwardedFor = ({ headers }: IncomingMessage): string => [headers['x-forwarded-for'] ?? ''].flat().join(',');

function refuse(socket: Duplex, answer: string): void {
  socket.on('error', destroy);
  socket.once('finish', destroy);
  socket.end(answer);
}

function destroy(this: Duplex): void {
  this.destroy();
}
