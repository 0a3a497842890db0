import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/** Services have their metrics on the port this far above their own. */
export const METRICS_ABOVE = 1000;
/**
 * With those for metrics below the ephemeral ports of outgoing connections (from 32768 on), so that a server that was killed finds its ports still
 * free.
 */
const lowestPort = 20_000;
const highestPort = 31_767;
const maxAttempts = 200;
/** Ports that this process was given or may use for metrics: servers that start at the same time get different ones. */
const given = new Set<number>();

/** Whether a server could listen on this port of the loopback address now. */
export function portIsFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen({ port, host: '127.0.0.1', exclusive: true }, () => probe.close(() => resolve(true)));
  });
}

/**
 * Finds a free port of the loopback address: `preferred` if it is free, else one between 20000 and 31767 that this process has not been given
 * before, and for which the port for metrics is free as well. Other processes may take it: the caller must be ready to retry with another one.
 */
export async function freePort(preferred?: number): Promise<number> {
  if (preferred !== undefined && (await portIsFree(preferred))) return preferred;
  for (let attempt = 0; attempt < maxAttempts; attempt += 1) {
    const port = randomInt(lowestPort, highestPort + 1);
    const both = [port, port + METRICS_ABOVE];
    if (both.some((one) => given.has(one))) continue;
    for (const one of both) given.add(one);
    if ((await portIsFree(port)) && (await portIsFree(port + METRICS_ABOVE))) return port;
  }
  throw new Error(`No free port between ${lowestPort} and ${highestPort} on 127.0.0.1 after ${maxAttempts} attempts.`);
}
