/** The calls that an HTTP server is answering, so that a server that goes away cuts none of them off. */
import { once } from 'node:events';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { setImmediate } from 'node:timers/promises';
import { within } from './deadline.ts';

interface Calls {
  readonly inFlight: Set<ServerResponse>;
  draining: boolean;
}

const callsOf = new WeakMap<Server, Calls>();

/** Counts the calls of a server from now on. Call it before other listeners for requests are added. */
export function countCalls(server: Server): void {
  const calls: Calls = { inFlight: new Set(), draining: false };
  callsOf.set(server, calls);
  server.on('request', (_request: IncomingMessage, response: ServerResponse) => {
    if (calls.draining) response.shouldKeepAlive = false;
    calls.inFlight.add(response);
    response.once('close', () => calls.inFlight.delete(response));
  });
}

/** How long calls may still take when everything else has ended. One whose client sends or reads slowly is cut off then. */
const LAST_CALLS_MS = 5000;

/**
 * From now on every answer closes its connection, so that clients send their next call elsewhere. Resolves when `until` has and no call is in
 * flight, or `lastMs` milliseconds after `until`; new calls are answered until then. Rejects as `until` does.
 */
export async function drainCalls(server: Server, until: Promise<unknown>, lastMs = LAST_CALLS_MS): Promise<void> {
  const calls = callsOf.get(server);
  if (calls === undefined) throw new Error('the calls of this server are not counted');
  calls.draining = true;
  for (const response of calls.inFlight) response.shouldKeepAlive = false;
  await until;
  await within(ended(calls), lastMs, undefined);
}

async function ended({ inFlight }: Calls): Promise<void> {
  do {
    await Promise.all([...inFlight].map((response) => once(response, 'close')));
    // What has arrived but was not read yet is a call as well: one turn of the event loop reads it.
    await setImmediate();
  } while (inFlight.size > 0);
}
