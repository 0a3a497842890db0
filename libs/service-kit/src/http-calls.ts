/** Tracks the calls in progress of an HTTP server, so that a shutdown does not interrupt them. */
import { once } from 'node:events';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { setImmediate } from 'node:timers/promises';
import { within } from './deadline.ts';

interface Calls {
  readonly inFlight: Set<ServerResponse>;
  draining: boolean;
}

const callsOf = new WeakMap<Server, Calls>();

/** Starts counting. Call it before other listeners for requests are added. */
export function countCalls(server: Server): void {
  const calls: Calls = { inFlight: new Set(), draining: false };
  callsOf.set(server, calls);
  server.on('request', (_request: IncomingMessage, response: ServerResponse) => {
    if (calls.draining) response.shouldKeepAlive = false;
    calls.inFlight.add(response);
    response.once('close', () => calls.inFlight.delete(response));
  });
}

/** Additional time for calls when everything else has ended. Calls of slower clients are cut off then. */
const LAST_CALLS_MS = 5000;

/**
 * From now on every response closes its connection, so that clients send their next call elsewhere. Resolves when `until` has and no call
 * is in progress, or `lastMs` milliseconds after `until`; new calls are answered until then. Rejects if `until` does.
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
    // A request that has arrived but was not read yet counts too; it is read within one turn of the event loop.
    await setImmediate();
  } while (inFlight.size > 0);
}
