/** SPACE's events, as the driver sees them. */
import type { PricingEvent } from '@polyedge/contracts/wire/space';
import type { Protocol } from '@polyedge/session/session';
import { toEvent } from './event.ts';
import { openSession, type SessionSettings } from './session.ts';

/** A Socket.IO event with its arguments. */
export interface Message {
  readonly kind: 'event';
  readonly event: string;
  readonly args: readonly unknown[];
}

export function pricingProtocol(settings: SessionSettings): Protocol<Message, unknown, PricingEvent> {
  return {
    decode: (raw) => ({ ok: true, value: raw.event }),
    encode: (event) => ({ kind: 'event', event: 'message', args: [event] }),
    translate: toEvent,
    open: (opening) => openSession(opening, settings),
  };
}
