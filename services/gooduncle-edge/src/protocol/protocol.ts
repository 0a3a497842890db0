import type { Protocol } from '@polyedge/session/session';
import { decode, type Frame } from './codec.ts';
import { LiveEventCache } from './live-event.ts';
import { GoodUncleSession } from './session.ts';
import type { SessionSettings } from './session-output.ts';

/** Good Uncle as the driver sees it. Answers are text already, concatenated from parts that were serialized once. */
export function goodUncleProtocol(options: Omit<SessionSettings, 'liveEvents'>): Protocol<string | Uint8Array, Frame, string> {
  const settings: SessionSettings = { ...options, liveEvents: new LiveEventCache() };
  return {
    decode,
    encode: (frame) => frame,
    open: (opening) => [new GoodUncleSession(settings, opening), []],
  };
}
