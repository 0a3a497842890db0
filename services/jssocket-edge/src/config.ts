import { trustProxy, wsConnections } from '@polyedge/edge-kit/edge-settings';
import { commonSettings, listenerTlsSettings } from '@polyedge/service-kit/common-settings';
import { boolean, duration, integer, port, secret, text, url } from '@polyedge/service-kit/settings';
import { DEFAULT_AUTH, readAuth } from './server-secret.ts';

/** Every setting of jssocket-edge: its own begin with `JSSOCKET_`; `SOCKET_HOST`, `SOCKET_PORT` and `SOCKET_AUTH` are the original's. */
export const settings = {
  ...commonSettings({ port: 5405 }),
  ...listenerTlsSettings,
  host: text({
    env: 'HOST',
    aliases: ['SOCKET_HOST'],
    default: '0.0.0.0',
    localDefault: '127.0.0.1',
    doc: 'The address to listen on.',
  }),
  port: port({ env: 'PORT', aliases: ['SOCKET_PORT'], default: 5405, doc: 'The port for clients and cores; 0 takes a free one.' }),
  natsUrl: url({
    env: 'NATS_URL',
    schemes: ['nats', 'tls'],
    default: '',
    doc: 'The NATS servers, separated by commas. Without it this process runs alone, and its messages reach no other process.',
  }),
  auth: secret({
    aliases: ['SOCKET_AUTH'],
    localDefault: DEFAULT_AUTH,
    form: 'the hex of a bcrypt hash ("jssocket hash" makes one)',
    usable: (value) => readAuth(value) !== undefined,
    insecure: 'cores and publishers are admitted with the publicly known default secret. Set it to what "jssocket hash" prints.',
    doc: 'The secret of cores and publishers, as the hex of its bcrypt hash; the same as SOCKET_AUTH of the original.',
  }),
  tenant: text({
    default: 'default',
    pattern: /^.{1,128}$/,
    form: 'a name',
    doc: 'The tenant whose changes the bridge watches. It also separates installations that share a NATS server.',
  }),
  strictPath: text({
    optional: true,
    pattern: /^\//,
    form: 'a path',
    doc: 'The only path for WebSockets, such as /ws. Without it, any path.',
  }),
  allowedOrigins: text({
    optional: true,
    doc: 'Origins that browsers may connect from, separated by commas; connections with the secret are exempt. Without it, any.',
  }),
  trustProxy,
  logForwarded: boolean({ default: false, doc: 'Logs a line for every handshake with its X-Forwarded-For header, as the original does.' }),
  maxFrameBytes: integer({
    default: 1024 * 1024,
    min: 1024,
    max: 8 * 1024 * 1024,
    unit: 'bytes',
    doc: 'The longest message of a client (close 1009).',
  }),
  maxTrustedFrameBytes: integer({
    default: 8 * 1024 * 1024,
    min: 1024,
    max: 8 * 1024 * 1024,
    unit: 'bytes',
    doc: 'The longest message of a connection whose handshake carried the secret (close 1009).',
  }),
  maxFramesPerSecond: integer({
    default: 1000,
    min: 1,
    max: 1_000_000,
    unit: 'messages',
    doc: 'Messages per second that a client may send; beyond that, reading from it is slowed down.',
  }),
  maxTrustedFramesPerSecond: integer({
    default: 20_000,
    min: 1,
    max: 1_000_000,
    unit: 'messages',
    doc: 'The same for connections whose handshake carried the secret.',
  }),
  maxBufferedBytes: integer({
    default: 16 * 1024 * 1024,
    min: 64 * 1024,
    max: 1024 * 1024 * 1024,
    unit: 'bytes',
    doc: 'Unsent bytes allowed per client: above this it is closed (1013); a connection with the secret is dropped.',
  }),
  stalledMs: duration({
    default: 30_000,
    min: 1000,
    max: 3_600_000,
    doc: 'Time after which a client that does not read its data is closed (1013).',
  }),
  ...wsConnections,
  maxPerUser: integer({
    optional: true,
    min: 1,
    max: 1_000_000,
    unit: 'connections',
    doc: 'Connections of one user on this replica; a further one is closed with 1013 when a core confirms its user. Unlimited unless set.',
  }),
  maxPublic: integer({
    optional: true,
    min: 1,
    max: 1_000_000,
    unit: 'connections',
    doc: 'Connections without a user (the group `public`) on this replica. Unlimited unless set.',
  }),
  maxAuthFailures: integer({
    default: 20,
    min: 1,
    max: 1_000_000,
    unit: 'secrets',
    doc: 'Wrong secrets per address and minute; further attempts are rejected unchecked.',
  }),
  recheckMs: duration({
    default: 0,
    min: 0,
    max: 86_400_000,
    doc: 'Interval at which the login of a connected client is sent to a core again, so that a client whose token is no longer valid leaves its group. 0: never, as in the original. Tokens are kept in memory for this.',
  }),
  pingIntervalMs: duration({ default: 20_000, min: 100, max: 3_600_000, doc: 'Time from the last pong to the next ping.' }),
  pongTimeoutMs: duration({
    default: 20_000,
    min: 100,
    max: 3_600_000,
    doc: 'Time after which a client that does not answer a ping is closed (1011).',
  }),
  trustedPongTimeoutMs: duration({
    default: 60_000,
    min: 100,
    max: 3_600_000,
    doc: 'The same for a connection whose handshake carried the secret; it is dropped without a close frame, so that a core reconnects.',
  }),
  publicMayNotify: boolean({
    default: true,
    doc: 'Whether clients that are not logged in may notify others, as they may in the original.',
  }),
  onlyOwnGroup: boolean({ default: false, doc: 'Whether clients may notify only members of their own group.' }),
  callbackOnDenial: boolean({
    default: false,
    doc: 'Whether the callback of a notification that is not allowed is still sent.',
  }),
  legacyAdmin: boolean({
    default: false,
    doc: 'Serves GET /hash and GET /terminate of the original; unlike there, both need the auth header.',
  }),
  bridge: text({
    env: 'POLYEDGE_JSSOCKET_BRIDGE',
    optional: true,
    doc: 'The JSON file with the rules by which changes of the graph become notifications. Without it there are none.',
  }),
};

export type JssocketConfig = typeof settings;
