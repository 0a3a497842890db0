/** A TCP connection that says exactly what it is given, for what no WebSocket library sends. */
import { connect } from 'node:net';

/** The headers of a handshake. */
export const UPGRADE = [
  'Host: x',
  'Upgrade: websocket',
  'Connection: Upgrade',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
];

/** Sends a request made of these lines and returns what comes, until `enough` or the end of the connection; by default the head of an answer. */
export function raw(
  port: number,
  lines: readonly string[],
  { after, enough = (received) => received.includes('\r\n\r\n') }: { readonly after?: Uint8Array; enough?(received: string): boolean } = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    let received = '';
    const timer = setTimeout(() => socket.destroy(new Error(`no answer: ${received}`)), 60_000);
    socket.on('data', (data) => {
      received += data.toString('latin1');
      if (enough(received)) socket.destroy();
    });
    socket.on('error', reject);
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(received);
    });
    socket.write(`${lines.join('\r\n')}\r\n\r\n`);
    if (after !== undefined) socket.write(after);
  });
}
