import type { RequestChannel } from '@polyedge/contracts/channel';
import type { Parameters } from '@polyedge/contracts/subject';
import type { BusCall } from './session.ts';

/** Builds a request. Its body and the parameters of its address are checked against the types of the channel. */
export function busCall<Address extends string, Request, Reply>(
  channel: RequestChannel<Address, Request, Reply>,
  parameters: Parameters<Address>,
  body: Request,
): BusCall {
  // The driver treats all channels alike and validates bodies at run time, so the types are erased here and nowhere else.
  return { channel: channel as unknown as BusCall['channel'], subject: channel.subject(parameters), body };
}
