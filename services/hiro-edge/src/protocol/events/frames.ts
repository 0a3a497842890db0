/** The frames that clients of events-ws receive for a change, for display in the console. */
import type { FullChange } from '@polyedge/contracts/change';
import { toEvent } from '../element/event.ts';
import { eventsProtocol } from '../protocol.ts';

const FORMS = [
  { to: 'events-ws', delta: false },
  { to: 'events-ws with delta', delta: true },
];
const { encode } = eventsProtocol({ tokenGraceMs: 0 });

export const framesOf = (change: FullChange): readonly { readonly to: string; readonly text: string }[] =>
  FORMS.flatMap(({ to, delta }) => {
    const event = toEvent(change, { delta });
    return event === undefined ? [] : [{ to, text: String(encode(event)) }];
  });
