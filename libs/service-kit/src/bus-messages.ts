/** Publishing and receiving one event or signal: encoding, schema, handler, counters. Shared by both implementations of the bus. */
import type { EventChannel, SignalChannel } from '@polyedge/contracts/channel';
import { inJournal } from '@polyedge/contracts/journal';
import type { Parameters } from '@polyedge/contracts/subject';
import { parseOwnJson } from '@polyedge/query/json-text';
import type { BusCounts } from './bus-counts.ts';
import { encodeBody } from './bus-wire.ts';
import type { Log } from './log.ts';

/** The bus, as the functions below use it. */
interface MessageBus {
  readonly counts: BusCounts;
  publishText(subject: string, json: string): boolean;
}

/** Encodes a body and publishes it in a journal. One that is over the limits is counted and logged. */
export function publishBody<Address extends string, Body>(
  bus: MessageBus,
  log: Log,
  channel: EventChannel<Address, Body> | SignalChannel<Address, Body>,
  { values, body, journal }: { readonly values: Parameters<Address>; readonly body: Body; readonly journal: string },
): void {
  const text = encodeBody(body);
  if (text === undefined) bus.counts.unsent += 1;
  if (text === undefined || !bus.publishText(inJournal(channel.subject(values), journal), text)) {
    log.error("an event is over the server's limits and was not sent", { type: channel.address });
  }
}

/** Passes a received message to its handler. An invalid body and an exception of the handler are counted; nothing is thrown. */
export function receiveText<Body>(
  { counts }: Pick<MessageBus, 'counts'>,
  log: Log,
  channel: EventChannel<string, Body> | SignalChannel<string, Body>,
  text: string,
  handler: (body: Body) => void,
): void {
  counts.heard += 1;
  const body = parseOwnJson(text);
  if (body === undefined || !channel.body.test(body)) {
    counts.malformed += 1;
    return;
  }
  try {
    handler(body);
  } catch (err) {
    counts.thrown += 1;
    log.error("a subscription's handler failed", { type: channel.address, err });
  }
}
