import { allowedOrigins, maxFramesPerSecond, requestTimeoutMs, trustProxy, wsConnections } from '@polyedge/edge-kit/edge-settings';
import { commonSettings, listenerTlsSettings, redisJournals, redisUrl } from '@polyedge/service-kit/common-settings';
import { openIdSettings } from '@polyedge/service-kit/open-id';
import { choice, duration, integer, secret, text } from '@polyedge/service-kit/settings';

/** Every setting of hiro-edge: its own begin with `HIRO_`. */
export const settings = {
  ...commonSettings({ port: 5402 }),
  ...listenerTlsSettings,
  ...openIdSettings,
  redisUrl,
  redisJournals,
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
    doc: 'The longest message of a client, all fragments together (close 1009), and the longest body of a REST call (413).',
  }),
  maxFramesPerSecond: maxFramesPerSecond(20_000),
  maxBufferedBytes: integer({
    default: 8 * 1024 * 1024,
    min: 64 * 1024,
    max: 1024 * 1024 * 1024,
    unit: 'bytes',
    doc: 'Unsent bytes allowed per socket: above this a slow reader of events is closed (1013), and requests of a slow reader of results are no longer read.',
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
    doc: 'How long a socket is served after its token has expired, because clients renew tokens late.',
  }),
  confirmMs: duration({
    default: 10_000,
    min: 1000,
    max: 600_000,
    doc: 'How long a group member may leave a ping unanswered before its socket is closed (1013) and another member receives its events.',
  }),
  offsetMode: choice(['kafka', 'literal'], {
    default: 'kafka',
    doc: 'Whether `offset=largest` of the first member of an empty group skips the events that the group missed (literal) or not (kafka).',
  }),
  writtenApplications: text({
    optional: true,
    doc: 'Applications (client_id), separated by commas, whose clients never answer pings: events written to them count as delivered.',
  }),
  applications: secret({
    optional: true,
    doc: 'The applications that may request tokens, as `client_id:client_secret` or `client_id`, separated by commas. Without it, any application may.',
  }),
  redirectUris: text({
    optional: true,
    doc: 'Redirect URIs for authorization codes (OAuth 2 code flow), separated by commas and compared literally. Without it the code flow is disabled.',
  }),
  allowedOrigins: { ...allowedOrigins, aliases: ['ALLOWED_ORIGINS'] },
  trustProxy,
  validation: choice(['lenient', 'strict'], {
    default: 'lenient',
    doc: 'Whether attribute names without the prefix `ogit/` or `/` are accepted.',
  }),
  status888: choice(['888', '500'], {
    default: '888',
    doc: 'The HTTP status of error 888 (try again): 500 behind proxies that do not forward 888. The body keeps 888.',
  }),
};

export type HiroSettings = typeof settings;
