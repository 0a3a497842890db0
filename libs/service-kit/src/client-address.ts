/** The client's address of an HTTP request. */
import type { IncomingMessage } from 'node:http';

/** The client's address. Behind a proxy (`trustProxy`), the one that the nearest proxy reports: the last entry of `X-Forwarded-For`. */
export function clientAddress({ headers, socket }: Pick<IncomingMessage, 'headers' | 'socket'>, trustProxy: boolean): string {
  const reported = [headers['x-forwarded-for'] ?? ''].flat().join(',').split(',').at(-1)?.trim() ?? '';
  return trustProxy && reported !== '' ? reported : (socket?.remoteAddress ?? '');
}
