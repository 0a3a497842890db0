/**
 * Reads the rest of a rejected body. If a server answers and closes while its client is still sending, the client's TCP stack discards the
 * answer with the connection: the client would see a broken pipe instead of a 413.
 */
import type { IncomingMessage } from 'node:http';

/** Maximum number of bytes read before the answer is sent anyway. */
const MAX_BYTES = 32 * 1024 * 1024;
const MAX_MS = 5000;

/** Resolves when the body has ended, the client has disconnected, or a bound is reached. Never rejects. */
export async function drainBody(request: IncomingMessage): Promise<void> {
  if (request.complete || request.destroyed) return;
  await new Promise<void>((resolve) => {
    let bytes = 0;
    const count = (chunk: Buffer): void => {
      bytes += chunk.length;
      if (bytes > MAX_BYTES) end();
    };
    const timer = setTimeout(end, MAX_MS);
    function end(): void {
      clearTimeout(timer);
      request.off('data', count).off('end', end).off('close', end).off('error', end);
      resolve();
    }
    request.on('data', count).on('end', end).on('close', end).on('error', end);
    request.resume();
  });
}
