import { allowedOrigins, maxFramesPerSecond, requestTimeoutMs, socketIoConnections, trustProxy } from '@polyedge/edge-kit/edge-settings';
import { commonSettings, listenerTlsSettings } from '@polyedge/service-kit/common-settings';
import { openIdSettings } from '@polyedge/service-kit/open-id';
import { boolean, duration, integer, text } from '@polyedge/service-kit/settings';

/** Every setting of saga-edge: its own begin with `SAGA_`. */
export const settings = {
  ...commonSettings({ port: 5401 }),
  ...listenerTlsSettings,
  ...openIdSettings,
  tenant: text({ default: 'default', doc: 'The organization of users who register, and of requests without a token.' }),
  authTimeoutMs: duration({
    default: 5000,
    min: 0,
    max: 600_000,
    doc: 'Time to authenticate; after it a socket gets `unauthorized` and is disconnected. 0 turns this off.',
  }),
  disconnectOnTokenExpiry: boolean({
    default: false,
    doc: 'Whether a socket is closed when its token expires. The original checks at authentication only.',
  }),
  legacyMessagesEvent: boolean({
    default: true,
    doc: 'Whether messages are also sent as `/messages`, the only name the Unity client listens to.',
  }),
  selfAccess: boolean({ default: true, doc: 'Whether users may get, post and put below their own path without a role that allows it.' }),
  allowUnverified: boolean({
    default: true,
    doc: 'Whether a new user may log in at once; otherwise an administrator must set `verified`.',
  }),
  maxJoins: integer({
    default: 1000,
    min: 1,
    max: 100_000,
    unit: 'joins',
    doc: 'Rooms that one socket may have joined at once; the next join is answered with 429.',
  }),
  maxWaiting: integer({
    default: 1000,
    min: 1,
    max: 100_000,
    unit: 'messages',
    doc: 'Messages of one socket that wait for earlier ones; the next is answered with 429.',
  }),
  maxInFlight: integer({
    default: 64,
    min: 1,
    max: 1024,
    unit: 'messages',
    doc: 'Messages of one socket in progress at once; above this the socket is not read until half of them are answered.',
  }),
  maxFrameBytes: integer({
    default: 10 * 1024 * 1024,
    min: 1024,
    max: 64 * 1024 * 1024,
    unit: 'bytes',
    doc: 'The longest message of a socket (its connection ends) and the longest body of a REST call (413).',
  }),
  maxFramesPerSecond: maxFramesPerSecond(10_000),
  maxBufferedBytes: integer({
    default: 8 * 1024 * 1024,
    min: 64 * 1024,
    max: 1024 * 1024 * 1024,
    unit: 'bytes',
    doc: 'Unsent bytes allowed per socket; a slower client is disconnected and reconnects.',
  }),
  ...socketIoConnections,
  recoveryMs: duration({
    default: 120_000,
    min: 0,
    max: 600_000,
    doc: 'How long a client that requested it (`auth: { recovery: true }`) may resume the session of a lost connection; 0 turns this off.',
  }),
  pingIntervalMs: duration({ default: 25_000, min: 1000, max: 600_000, doc: 'Interval between the heartbeats of Engine.IO.' }),
  pingTimeoutMs: duration({ default: 20_000, min: 1000, max: 600_000, doc: 'How long a client may take to answer a heartbeat.' }),
  requestTimeoutMs,
  allowedOrigins,
  trustProxy,
};

export type SagaServiceSettings = typeof settings;
