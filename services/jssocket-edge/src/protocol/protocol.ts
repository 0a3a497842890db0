/** JSSocket as a protocol of the driver. It relays messages and writes no elements, so nothing is ordered by writes. */
import type { Protocol } from '@polyedge/session/session';
import { decodeEvent, type Envelope, encodeFrame, type Outgoing } from './codec.ts';
import { openJssocket } from './session.ts';
import type { JssocketSettings } from './session-settings.ts';

export type JssocketProtocol = Protocol<string | Uint8Array, Envelope, Outgoing>;

export function jssocketProtocol(settings: JssocketSettings): JssocketProtocol {
  return { decode: decodeEvent, encode: encodeFrame, open: (opening) => openJssocket(opening, settings) };
}
