import type { Protocol } from '@polyedge/session/session';
import { decode, type Frame } from './codec.ts';
import { GoodUncleSession } from './session.ts';
import type { SessionSettings } from './talk.ts';

/** Good Uncle for the driver. Answers are text already: they are joined from parts that were made once. */
export function goodUncleProtocol(settings: SessionSettings): Protocol<string | Uint8Array, Frame, string> {
  return {
    decode,
    encode: (frame) => frame,
    open: (opening) => [new GoodUncleSession(settings, opening), []],
  };
}
