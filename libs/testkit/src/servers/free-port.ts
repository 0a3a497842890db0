import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/** Below the ephemeral ports of outgoing connections (from 32768 on), so that a server that was killed finds its port still free. */
const lowestPort = 20_000;
const highestPort = 31_999;
const maxAttempts = 200;

/** Whether a server could listen on this port of the loopback address now. */
export function portIsFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen({ port, host: '127.0.0.1', exclusive: true }, () => probe.close(() => resolve(true)));
  });
}

/**
 * Finds a free port of the loopback address: `preferred` if it is free, else one between 20000 and 31999.
 * The port is not reserved: the caller must be ready to retry with another one.
 */
export async function freePort(preferred?: number): Promise<number> {
  if (preferred !== undefined && (await portIsFree(preferred))) return preferred;
  for (let attempt = 0; attempt < maxAttempts; attempt += 1) {
    const port = randomInt(lowestPort, highestPort + 1);
    if (await portIsFree(port)) return port;
  }
  throw new Error(`No free port between ${lowestPort} and ${highestPort} on 127.0.0.1 after ${maxAttempts} attempts.`);
}
