/** Handles one request: deadline, schema, handler, exceptions. Shared by both implementations of the bus. */
import type { RequestChannel } from '@polyedge/contracts/channel';
import { failed, type Outcome } from '@polyedge/contracts/errors';
import { parseOwnJson } from '@polyedge/query/json-text';
import type { RequestContext } from './bus.ts';
import type { BusCounts } from './bus-counts.ts';
import type { Log } from './log.ts';

/** Returns the outcome of one request. Never rejects: an exception of the handler is a bug, logged and answered with `internal`. */
export async function answer<Request, Reply>(
  channel: RequestChannel<string, Request, Reply>,
  handler: (body: Request, context: RequestContext) => Promise<Outcome<Reply>>,
  context: RequestContext,
  counts: BusCounts,
  log: Log,
): Promise<Outcome<Reply>> {
  if (context.deadline <= performance.now()) return failed('expired', 'the deadline passed before the request was read');
  const body = parseOwnJson(context.text);
  if (body === undefined) {
    counts.malformed += 1;
    return failed('invalid', 'the request is not JSON');
  }
  if (!channel.request.test(body)) {
    counts.malformed += 1;
    return failed('invalid', channel.request.problem(body));
  }
  try {
    return await handler(body, context);
  } catch (err) {
    counts.thrown += 1;
    log.error('a bus handler failed', { type: channel.address, err });
    return failed('internal');
  }
}
