import type { RequestChannel } from '@polyedge/contracts/channel';
import type { Parameters } from '@polyedge/contracts/subject';
import type { BusCall } from './session.ts';

/** One request, its body and address parameters checked against the channel's types. */
export function call<Address extends string, Request, Reply>(
  channel: RequestChannel<Address, Request, Reply>,
  parameters: Parameters<Address>,
  body: Request,
): BusCall {
  // The driver treats all channels alike and checks bodies at run time, so their types are erased here and nowhere else.
  return { channel: channel as unknown as BusCall['channel'], subject: channel.subject(parameters), body };
}
