import type { Outcome } from '@polyedge/contracts/errors';
import type { Principal } from '@polyedge/contracts/principal';
import type { Opening } from '@polyedge/session/session';
import type { Limits } from '../limits.ts';
import type { Wheel } from '../wheel.ts';
import type { Packet, Wire, WireHandler } from './wire.ts';

/** The driver of a protocol, as transports see it. */
export interface ConnectionHost<Raw, P extends Packet> {
  readonly limits: Limits;
  readonly wheel: Wheel;
  verify(credential: string, address: string): Outcome<Principal> | Promise<Outcome<Principal>>;
  /** Opens a connection; the returned handler receives the events of the wire. */
  open(wire: Wire<P>, opening: Pick<Opening, 'credential' | 'path' | 'query' | 'address' | 'restored'>): WireHandler<Raw>;
}
