import { allowedOrigins, maxFramesPerSecond, requestTimeoutMs, trustProxy, wsConnections } from '@polyedge/edge-kit/edge-settings';
import { commonSettings, listenerTlsSettings, redisUrl } from '@polyedge/service-kit/common-settings';
import { openIdSettings } from '@polyedge/service-kit/open-id';
import { choice, duration, integer, secret, text } from '@polyedge/service-kit/settings';

/** Every setting of hiro-edge: its own begin with `HIRO_`. */
export const settings = {
  ...commonSettings({ port: 5402 }),
  ...listenerTlsSettings,
  ...openIdSettings,
  redisUrl,
  maxInFlight: integer({
    default: 256,
    min: 1,
    max: 1024,
    unit: 'requests',
    doc: 'Requests of one graph-ws socket in progress at once; above this the socket is not read until half of them are answered.',
  }),
  maxFrameBytes: integer({
    default: 10 * 1024 * 1024,
    min: 1024,
    max: 64 * 1024 * 1024,
    unit: 'bytes',
    doc: 'The longest message a client may send, all fragments together (close 1009), and the longest body of a REST call (413).',
  }),
  maxFramesPerSecond: maxFramesPerSecond(20_000),
  maxBufferedBytes: integer({
    default: 8 * 1024 * 1024,
    min: 64 * 1024,
    max: 1024 * 1024 * 1024,
    unit: 'bytes',
    doc: 'Bytes that may be unsent to one socket: above this a slow reader of events is closed (1013), and a slow reader of results is no longer read from.',
  }),
  ...wsConnections,
  requestTimeoutMs,
  pingIntervalMs: duration({
    default: 30_000,
    min: 1000,
    max: 3_600_000,
    doc: 'Time without receiving anything after which a ping is sent.',
  }),
  idleMs: duration({
    default: 90_000,
    min: 2000,
    max: 86_400_000,
    doc: 'Idle time, without even a pong, after which a socket is closed (1001).',
  }),
  tokenGraceMs: duration({
    default: 10_000,
    min: 0,
    max: 600_000,
    doc: 'How long a socket is served after its token has expired: clients renew theirs late.',
  }),
  confirmMs: duration({
    default: 10_000,
    min: 1000,
    max: 600_000,
    doc: 'How long a group member may leave a ping unanswered before its socket is closed (1013) and another member receives its events.',
  }),
  offsetMode: choice(['kafka', 'literal'], {
    default: 'kafka',
    doc: 'Whether `offset=largest` of the first member of a group that had none skips what the group missed (literal) or not (kafka).',
  }),
  writtenApplications: text({
    optional: true,
    doc: 'Applications (client_id), separated by commas, whose clients never answer pings: what was written counts as delivered to them.',
  }),
  applications: secret({
    optional: true,
    doc: 'The applications that may ask for tokens, as `client_id:client_secret` or `client_id`, separated by commas. Without it, any may.',
  }),
  redirectUris: text({
    optional: true,
    doc: 'Addresses that authorization codes may be sent to (OAuth 2 code flow), separated by commas and compared letter by letter. Without it there is no such flow.',
  }),
  allowedOrigins: { ...allowedOrigins, aliases: ['ALLOWED_ORIGINS'] },
  trustProxy,
  validation: choice(['lenient', 'strict'], {
    default: 'lenient',
    doc: 'Whether attribute names without `ogit/` or `/` in front are accepted.',
  }),
  status888: choice(['888', '500'], {
    default: '888',
    doc: 'The HTTP status of error 888 (try again): 500 behind proxies that refuse to pass 888 on. The body keeps 888.',
  }),
};

export type HiroSettings = typeof settings;
