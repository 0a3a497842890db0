import type { Outcome } from '@polyedge/contracts/errors';
import type { Principal } from '@polyedge/contracts/principal';
import type { Opening } from '@polyedge/session/session';
import type { Limits } from '../limits.ts';
import type { Wheel } from '../wheel.ts';
import type { Packet, Wire, WireHandler } from './wire.ts';

/** What a listener hands its sockets to: the driver of a protocol, as far as transports know it. */
export interface ConnectionHost<Raw, P extends Packet> {
  readonly limits: Limits;
  readonly wheel: Wheel;
  verify(credential: string, address: string): Outcome<Principal> | Promise<Outcome<Principal>>;
  /** A new connection; what the wire says goes to the handler that is returned. */
  open(wire: Wire<P>, opening: Pick<Opening, 'credential' | 'path' | 'query' | 'address' | 'restored'>): WireHandler<Raw>;
}
