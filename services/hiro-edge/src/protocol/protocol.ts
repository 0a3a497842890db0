/**
 * The two protocols of HIRO, as the driver sees them. Writes of one graph-ws socket take effect in the order in which they arrived, and a
 * read sees the writes sent before it on the same socket; HIRO guarantees neither.
 */
import type { FullChange } from '@polyedge/contracts/change';
import type { GraphResponse, HiroError } from '@polyedge/contracts/wire/hiro';
import type { Protocol, View } from '@polyedge/session/session';
import { type Event, eventDocument, toEvent } from './element/event.ts';
import { decodeEvents, type EventsFrame } from './events/codec.ts';
import { type EventsSettings, openEvents } from './events/session.ts';
import { spliceEvent } from './events/spliced-event.ts';
import { decodeGraph, type GraphFrame } from './graph/codec.ts';
import { type GraphSettings, openGraph } from './graph/session.ts';

export type GraphProtocol = Protocol<string | Uint8Array, GraphFrame, GraphResponse>;
export type EventsProtocol = Protocol<string | Uint8Array, EventsFrame, Event | HiroError>;

export function graphProtocol(settings: GraphSettings): GraphProtocol {
  return { decode: decodeGraph, encode: (frame) => JSON.stringify(frame), open: (opening) => openGraph(opening, settings) };
}

export function eventsProtocol(settings: EventsSettings): EventsProtocol {
  return {
    decode: decodeEvents,
    encode: (frame) => JSON.stringify(frame),
    translate: showEvent,
    splice: (change, view) => (view.shape === 'delta' ? undefined : spliceEvent(change)),
    document: eventDocument,
    open: (opening) => openEvents(opening, settings),
  };
}

/** The broadcaster has already applied the view's filter; the shape selects one of the two forms. */
function showEvent(change: FullChange, view: View): Event | undefined {
  return toEvent(change, { delta: view.shape === 'delta' });
}
