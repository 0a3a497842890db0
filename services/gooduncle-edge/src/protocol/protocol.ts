import type { Protocol } from '@polyedge/session/session';
import { decode, type Frame } from './codec.ts';
import { Happenings } from './happening.ts';
import { GoodUncleSession } from './session.ts';
import type { SessionSettings } from './talk.ts';

/** Good Uncle for the driver. Answers are text already: they are joined from parts that were made once. */
export function goodUncleProtocol(options: Omit<SessionSettings, 'happenings'>): Protocol<string | Uint8Array, Frame, string> {
  const settings: SessionSettings = { ...options, happenings: new Happenings() };
  return {
    decode,
    encode: (frame) => frame,
    open: (opening) => [new GoodUncleSession(settings, opening), []],
  };
}
