/** AsyncAPI 3 documents of the five client protocols: the messages that clients send and receive on sockets. Pure. */
import { T, type TSchema } from '../schema.ts';
import { EventsMessage, GraphRequest, GraphResponse, HiroError } from './hiro.ts';
import { PricingEvent } from './space.ts';

interface MessageDocument {
  readonly summary: string;
  readonly payload: TSchema;
}

interface Socket {
  readonly address: string;
  readonly summary: string;
  /** By name. */
  readonly fromClient: Readonly<Record<string, MessageDocument>>;
  readonly toClient: Readonly<Record<string, MessageDocument>>;
}

interface Protocol {
  readonly title: string;
  readonly description: string;
  readonly port: number;
  readonly sockets: Readonly<Record<string, Socket>>;
}

const Any = T.Record(T.String(), T.Unknown());
const Event = T.Object({
  id: T.String(),
  body: Any,
  metadata: Any,
  nanotime: T.Integer({ description: 'Grows with every change.' }),
  timestamp: T.Integer({ description: 'In milliseconds since 1970.' }),
  type: T.String({ description: '`CREATE`, `UPDATE`, `REPLACE`, `DELETE`, `CONNECT`, `DISCONNECT`, `WRITE_TIMESERIES` …' }),
});

/** Saga's messages are Socket.IO events; those of clients are acknowledged with `{ status_code, body }`. */
const Property = T.Object({ parent_id: T.String(), name: T.String(), value: T.Unknown() });
const Room = T.Union([T.String({ description: 'The id.' }), T.Object({ id: T.String() })]);

const Choice = { topic: T.String(), criteria: T.Optional(Any), fields: T.Optional(T.Array(T.String())), sort: T.Optional(T.Unknown()) };
const Answer = T.Object({
  session: T.Object({ id: T.String(), roles: T.Array(T.String()) }),
  request: T.Object({ time: T.Integer(), payload: Any }),
  response: T.Object({
    time: T.Integer(),
    code: T.String({ description: '`ok`, `forbidden`, `not found`, `bad request`, `slow down` or `error`.' }),
    errors: T.Array(Any),
    payload: Any,
    event: T.Optional(T.String()),
    seq: T.Optional(T.Integer()),
    last: T.Optional(T.Boolean()),
    synced: T.Optional(T.Boolean()),
    version: T.Optional(T.Integer()),
  }),
  passport: T.Array(Any),
});
const request = (type: string, fields: Record<string, TSchema>) => T.Object({ type: T.Literal(type), ...fields });
const envelope = (type: string, data: TSchema) => T.Object({ type: T.Literal(type), data });
const Notification = T.Object({ target: T.Optional(T.String()), payload: T.Unknown(), callback: T.Optional(T.Unknown()) });

export const protocols: Readonly<Record<string, Protocol>> = {
  hiro: {
    title: 'HIRO sockets',
    description: 'The two WebSocket APIs of HIRO. The token is a sub-protocol, `token-…`, or the header `Authorization`.',
    port: 5402,
    sockets: {
      graph: {
        address: '/api/graph-ws/{version}/',
        summary: 'Requests to the graph, each with an id under which it is answered. Sub-protocol `graph-2.0.0`.',
        fromClient: { request: { summary: 'A request.', payload: GraphRequest } },
        toClient: { response: { summary: 'An answer, or one item of it.', payload: GraphResponse } },
      },
      events: {
        address: '/api/events-ws/{version}/',
        summary:
          'Events that match the filters; with `groupId` in the query, as a member of a consumer group. Sub-protocol `events-1.0.0`.',
        fromClient: { control: { summary: 'Registers a filter, takes one away, renews the token.', payload: EventsMessage } },
        toClient: {
          event: { summary: 'What happened to an element.', payload: Event },
          error: { summary: 'What is wrong with a message, or why the socket ends.', payload: HiroError },
        },
      },
    },
  },
  saga: {
    title: 'Saga sockets',
    description: 'Socket.IO 2 to 4 in the default namespace. Names of messages are names of events; the payload is the first argument.',
    port: 5401,
    sockets: {
      main: {
        address: '/socket.io/',
        summary: 'Everything of one client. A message with a callback is acknowledged with `{ status_code, body }`.',
        fromClient: {
          authentication: { summary: 'Logs in.', payload: T.Object({ accessToken: T.String() }) },
          '/users/join': { summary: 'Hears of a user: properties, messages, signals. `/bots/join` alike; `leave` ends it.', payload: Room },
          '/globals/join': { summary: 'Hears of global properties and signals.', payload: T.Unknown() },
          '/scripts/runnable_calls/join': {
            summary: 'Hears of calls. `runnable_logs` and `versions` alike, and for `/jobs`.',
            payload: Room,
          },
          '/npm_packages/join': { summary: 'Hears of packages.', payload: T.Unknown() },
          '/users/properties': {
            summary: 'Sets a property. Behind it an operator changes it: `/users/properties/incr`. `/bots` and `/globals` alike.',
            payload: Property,
          },
          '/users/signals': { summary: 'Sends a signal. `/bots` and `/globals` alike.', payload: Property },
          '/users/message': {
            summary: 'Sends a message. `/bots/message` alike.',
            payload: T.Object({ user_id: T.String(), body: T.String(), user_ids: T.Optional(T.Array(T.String())) }),
          },
        },
        toClient: {
          authenticated: { summary: 'The login is valid.', payload: Any },
          unauthorized: { summary: 'It is not, or not any more.', payload: Any },
          '/properties': { summary: 'A property was set, to this complete value.', payload: Any },
          '/messages/incoming': { summary: 'A message arrived.', payload: Any },
          '/messages/outgoing': { summary: 'A message was sent.', payload: Any },
          '/signals': { summary: 'A signal was sent.', payload: Any },
          '/runnable_calls': { summary: 'A script or job has run.', payload: Any },
          '/runnable_logs': { summary: 'It wrote to its console.', payload: Any },
          '/runnable_versions': { summary: 'It was saved.', payload: Any },
          '/npm_packages': { summary: 'A package changed.', payload: Any },
          error: {
            summary: 'What is wrong with a message that has no callback.',
            payload: T.Object({ status_code: T.Integer(), message: T.String() }),
          },
        },
      },
    },
  },
  space: {
    title: 'SPACE sockets',
    description: 'Socket.IO. The key is `auth.apiKey`, or the header `x-api-key`.',
    port: 5403,
    sockets: {
      pricings: {
        address: '/events/',
        summary: 'The namespace `/pricings`. Clients only listen.',
        fromClient: {},
        toClient: {
          message: { summary: 'A pricing was created, archived or activated, or a service was disabled.', payload: PricingEvent },
        },
      },
    },
  },
  gooduncle: {
    title: 'Good Uncle',
    description: 'Requests and live queries over one WebSocket. A character every 300 ms in both directions is the keep-alive.',
    port: 5404,
    sockets: {
      main: {
        address: '/',
        summary:
          'Every request is answered at least once; further answers to a subscription are its events. A key of your own, such as `ref`, comes back.',
        fromClient: {
          upgrade: {
            summary: 'Takes roles, by user name and hashed password or by a token.',
            payload: request('upgrade', {
              user: T.Optional(T.String()),
              password: T.Optional(T.String()),
              token: T.Optional(T.String()),
              role: T.Optional(T.String()),
            }),
          },
          downgrade: { summary: 'Gives roles back.', payload: request('downgrade', { roles: T.Optional(T.Array(T.String())) }) },
          create: {
            summary: 'Creates a resource.',
            payload: request('create', { topic: T.String(), params: Any, id: T.Optional(T.String()), once: T.Optional(T.String()) }),
          },
          read: {
            summary: 'Reads resources.',
            payload: request('read', {
              ...Choice,
              limit: T.Optional(T.Integer()),
              after: T.Optional(T.String()),
              count: T.Optional(T.Boolean()),
            }),
          },
          update: {
            summary: 'Changes all resources that match.',
            payload: request('update', {
              topic: T.String(),
              criteria: Any,
              params: T.Optional(Any),
              unset: T.Optional(T.Array(T.String())),
              expect: T.Optional(T.Integer()),
            }),
          },
          delete: {
            summary: 'Deletes all resources that match.',
            payload: request('delete', { topic: T.String(), criteria: Any, expect: T.Optional(T.Integer()) }),
          },
          subscribe: {
            summary: 'Begins a live query.',
            payload: request('subscribe', {
              subscription: T.String(),
              ...Choice,
              limit: T.Optional(T.Integer()),
              initial: T.Optional(T.Boolean()),
              throttle: T.Optional(T.Integer()),
              since: T.Optional(T.String()),
            }),
          },
          unsubscribe: { summary: 'Ends it.', payload: request('unsubscribe', { subscription: T.String() }) },
        },
        toClient: { answer: { summary: 'The answer to a request, or an event of a subscription.', payload: Answer } },
      },
    },
  },
  jssocket: {
    title: 'JSSocket',
    description: "Jaseci's socket service: clients, cores and publishers on one WebSocket. Frames are JSON, as text or binary messages.",
    port: 5405,
    sockets: {
      main: {
        address: '/',
        summary: 'A connection that sends the secret with `server_connect` is a core or a publisher; all others are clients.',
        fromClient: {
          client_connect: { summary: 'A client logs in with a core.', payload: envelope('client_connect', Any) },
          server_connect: {
            summary: 'A core or publisher shows the secret.',
            payload: envelope('server_connect', T.Object({ auth: T.String() })),
          },
          client_connected: { summary: 'A core identifies a client.', payload: envelope('client_connected', Any) },
          client_disconnect: { summary: 'Says goodbye.', payload: envelope('client_disconnect', Any) },
          notify_client: { summary: 'Sends a payload to one client.', payload: envelope('notify_client', Notification) },
          notify_group: {
            summary: 'Sends a payload to all connections of a user, or of a group.',
            payload: envelope('notify_group', Notification),
          },
          notify_all: {
            summary: 'Sends a payload to every client. Of cores and publishers only.',
            payload: envelope('notify_all', T.Unknown()),
          },
        },
        toClient: {
          payload: { summary: 'What was sent to it, without an envelope.', payload: T.Unknown() },
          client_connected: { summary: 'A core has identified the client.', payload: envelope('client_connected', Any) },
          server_connect: { summary: 'Whether the secret is right.', payload: envelope('server_connect', T.Boolean()) },
          client_connect: { summary: 'To a core: a client logs in.', payload: envelope('client_connect', Any) },
          callback: { summary: 'What became of a notification.', payload: envelope('callback', Any) },
        },
      },
    },
  },
};

/** A plain value, ready for JSON. */
export function protocolAsyncApi({ title, description, port, sockets }: Protocol): unknown {
  const messages = (given: Socket['fromClient']) =>
    Object.fromEntries(
      Object.entries(given).map(([name, { summary, payload }]) => [keyOf(name), { name, title: name, summary, payload: plain(payload) }]),
    );
  const parameters = (address: string) => {
    const names = [...address.matchAll(/\{([a-z]+)\}/g)].map(([, name = '']) => name);
    return names.length === 0
      ? {}
      : { parameters: Object.fromEntries(names.map((name) => [name, { description: `The ${name}, such as 6.2.` }])) };
  };
  const channel = ({ address, summary }: Socket, given: Socket['fromClient']) => ({
    address,
    summary,
    ...parameters(address),
    messages: messages(given),
  });
  const ways = Object.entries(sockets).flatMap(([name, socket]) => [
    { name: `${name}FromClient`, action: 'receive', socket, given: socket.fromClient },
    { name: `${name}ToClient`, action: 'send', socket, given: socket.toClient },
  ]);
  const used = ways.filter(({ given }) => Object.keys(given).length > 0);
  return {
    asyncapi: '3.0.0',
    info: { title, version: '1.0.0', description, license: { name: 'Apache-2.0' } },
    defaultContentType: 'application/json',
    servers: { local: { host: `127.0.0.1:${port}`, protocol: 'ws' } },
    channels: Object.fromEntries(used.map(({ name, socket, given }) => [name, channel(socket, given)])),
    operations: Object.fromEntries(
      used.map(({ name, action, socket }) => [name, { action, channel: { $ref: `#/channels/${name}` }, summary: socket.summary }]),
    ),
  };
}

/** Message names contain slashes in one protocol; keys of a document must not. */
const keyOf = (name: string): string => name.replace(/[^A-Za-z0-9_-]+/g, '.').replace(/^\./, '');

/** JSON Schema has no type for integers that JavaScript holds as bigints. */
const plain = (schema: TSchema): unknown =>
  JSON.parse(JSON.stringify(schema), (key, value: unknown) => (key === 'type' && value === 'bigint' ? 'integer' : value));
