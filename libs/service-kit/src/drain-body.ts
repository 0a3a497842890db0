/**
 * Reads the rest of a body that is refused. A server that answers and closes while its client is still sending makes the client's TCP stack
 * throw the answer away with the connection: it would see a broken pipe instead of a 413.
 */
import type { IncomingMessage } from 'node:http';

/** What is read at most before the answer is sent all the same. */
const MAX_BYTES = 32 * 1024 * 1024;
const MAX_MS = 5000;

/** Resolves when the body has ended, its sender is gone, or the bounds are reached. Never rejects. */
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
