/** Generates the AsyncAPI 3 document of the bus from the definitions of the channels. */
import type { AnyChannel } from './channel.ts';
import { errors } from './errors.ts';
import type { TSchema } from './schema.ts';

const REPLIES = 'replies';
const text = (description: string) => ({ type: 'string', description });

/** Returns a plain JSON value. `channels` are keyed by name, as in the catalogue. */
export function asyncApi(channels: Readonly<Record<string, AnyChannel>>): unknown {
  const entries = Object.entries(channels);
  const requests = entries.flatMap(([name, channel]) => (channel.kind === 'request' ? [[name, channel] as const] : []));
  const replies = Object.fromEntries(requests.map(([name, { reply }]) => [`${name}Reply`, message(`${name}Reply`, reply.schema)]));
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'The bus of Polyedge',
      version: '1.0.0',
      description:
        'The messages between the services over NATS. Subjects follow `pe.<cmd|evt|sig>.<domain>.<name>.v<N>[.<value>…]`; a value that is not safe in a subject is encoded. Every journal has channels with `x-per-journal` for itself: the name of a journal other than `main` follows the subject as a last token. Bodies are JSON. A reply above 1 MiB comes in several messages with the header `pe-part: <index>/<count>`.',
      license: { name: 'Apache-2.0' },
    },
    defaultContentType: 'application/json',
    channels: {
      ...Object.fromEntries(entries.map(([name, channel]) => [name, channelOf(name, channel)])),
      [REPLIES]: {
        // The requester's inbox, which is generated for each request.
        address: null,
        title: 'Replies',
        summary: 'The inbox of the requester: `_INBOX.<service>.<instance>.<request>`.',
        messages: { ...replies, failure: failureMessage },
      },
    },
    operations: Object.fromEntries(entries.map(([name, channel]) => [name, operation(name, channel)])),
  };
}

function channelOf(name: string, channel: AnyChannel): unknown {
  const values = [...channel.address.matchAll(/\{([A-Za-z]+)\}/g)].flatMap(([, value]) => (value === undefined ? [] : [value]));
  const parameters = Object.fromEntries(values.map((value) => [value, { description: `The ${value}, as a subject token.` }]));
  const schema = channel.kind === 'request' ? channel.request.schema : channel.body.schema;
  return {
    address: channel.address,
    summary: channel.summary,
    ...(values.length === 0 ? {} : { parameters }),
    ...(channel.perJournal ? { 'x-per-journal': true } : {}),
    messages: { [name]: channel.kind === 'request' ? { ...message(name, schema), headers: requestHeaders } : message(name, schema) },
  };
}

const message = (name: string, payload: TSchema) => ({ name, payload });

const requestHeaders = {
  type: 'object',
  required: ['pe-timeout'],
  properties: {
    'pe-timeout': text('How long the caller waits, in milliseconds from sending; later the request is answered `expired`.'),
    'pe-sent': text(
      "When it was sent, in milliseconds on the caller's monotonic clock: lets a responder compute how long it was in transit.",
    ),
    'pe-deadline': text(
      'When the caller stops waiting, in milliseconds since 1970: for the first request that a responder receives from a caller.',
    ),
    traceparent: text("W3C Trace Context of the caller's span."),
  },
};

const failureMessage = {
  name: 'failure',
  summary: 'The request failed in an expected way.',
  headers: {
    type: 'object',
    required: ['Nats-Service-Error', 'Nats-Service-Error-Code'],
    properties: {
      'Nats-Service-Error': text('The meaning of the code, in words.'),
      'Nats-Service-Error-Code': text('A number for ordinary NATS tools (ADR-32).'),
    },
  },
  payload: {
    type: 'object',
    required: ['code'],
    properties: {
      code: { type: 'string', enum: Object.keys(errors) },
      detail: text("For the caller's developer."),
      retryAfterMs: { type: 'number', description: 'Milliseconds after which trying again may succeed.' },
    },
  },
};

function operation(name: string, channel: AnyChannel): unknown {
  const base = {
    // Seen from the service that the channel belongs to.
    action: channel.kind === 'request' ? 'receive' : 'send',
    channel: { $ref: `#/channels/${name}` },
    summary: channel.summary,
    messages: [{ $ref: `#/channels/${name}/messages/${name}` }],
  };
  if (channel.kind !== 'request') return base;
  return {
    ...base,
    reply: {
      channel: { $ref: `#/channels/${REPLIES}` },
      messages: [{ $ref: `#/channels/${REPLIES}/messages/${name}Reply` }, { $ref: `#/channels/${REPLIES}/messages/failure` }],
    },
    ...(channel.errors.length === 0 ? {} : { 'x-errors': channel.errors }),
  };
}
