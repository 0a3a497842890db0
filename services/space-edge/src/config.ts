import { requestTimeoutMs, socketIoConnections, trustProxy } from '@polyedge/edge-kit/edge-settings';
import { defaultLimits } from '@polyedge/edge-kit/limits';
import { commonSettings, listenerTlsSettings } from '@polyedge/service-kit/common-settings';
import { boolean, choice, duration, integer, secret, text } from '@polyedge/service-kit/settings';

/**
 * Settings of SPACE's own server for its administrator. Here graph-store creates the administrator for all protocols, and a setting without
 * effect would mislead.
 */
export const originalSettings = {
  originalAdminUser: text({
    env: 'ADMIN_USER',
    optional: true,
    doc: 'Rejected: the administrator is POLYEDGE_ADMIN_USERNAME of graph-store.',
  }),
  originalAdminPassword: secret({ env: 'ADMIN_PASSWORD', optional: true, doc: 'Rejected: it is POLYEDGE_ADMIN_PASSWORD of graph-store.' }),
};

/** Every setting of space-edge: its own begin with `SPACE_`. */
export const settings = {
  ...commonSettings({ port: 5403 }),
  ...listenerTlsSettings,
  ...originalSettings,
  tenant: text({
    default: 'default',
    pattern: /^[A-Za-z0-9_-]{1,64}$/,
    form: 'letters, digits, _ and -',
    doc: 'The tenant that all organizations of SPACE live in; one edge serves one.',
  }),
  basePath: text({
    aliases: ['BASE_PATH'],
    optional: true,
    pattern: /^(\/[A-Za-z0-9_-]+)+$/,
    form: 'a path such as /space',
    doc: 'A path prefix of REST and sockets, for proxies that do not remove it. Everything is also served without it.',
  }),
  transports: choice(['all', 'websocket'], {
    default: 'all',
    doc: 'Whether HTTP polling is served besides WebSocket, or rejected with 400 as in SPACE. Polling needs sticky sessions.',
  }),
  requireKey: boolean({
    default: false,
    doc: 'Whether a socket must present an API key; one that does receives events of its own organizations only.',
  }),
  strictScopes: boolean({
    default: false,
    doc: "Whether keys of scope EVALUATION may not evaluate features, as in SPACE's code, contrary to its documentation.",
  }),
  testEvent: boolean({ default: true, doc: 'Whether POST /events/test-event sends events; it needs no key.' }),
  openRegistration: boolean({ default: true, doc: 'Whether users (of role USER) can be created without a key, or only by an ADMIN.' }),
  staticPricings: boolean({
    default: true,
    doc: 'Whether uploaded pricings are served under /static/pricings/ to anyone who knows their unguessable name.',
  }),
  allowedOrigins: text({
    optional: true,
    aliases: ['ALLOWED_ORIGINS'],
    doc: 'Origins that browsers may call REST from, separated by semicolons. Without it, any, because no cookie authenticates.',
  }),
  trustProxy,
  maxBodyBytes: integer({
    default: 2 * 1024 * 1024,
    min: 1024,
    max: 16 * 1024 * 1024,
    unit: 'bytes',
    doc: 'The longest body of a REST call (413).',
  }),
  maxPricingBytes: integer({
    default: 1024 * 1024,
    min: 1024,
    max: 16 * 1024 * 1024,
    unit: 'bytes',
    doc: 'The longest pricing file, uploaded or fetched (400).',
  }),
  remoteTimeoutMs: duration({ default: 5000, min: 100, max: 60_000, doc: 'The time-out for fetching a pricing by its URL.' }),
  remotePrivate: boolean({
    default: false,
    doc: 'Whether pricings may be fetched from private addresses: users who may upload can then probe the internal network.',
  }),
  jwtSecret: secret({
    aliases: ['JWT_SECRET'],
    localDefault: 'local pricing tokens are not secret',
    insecure: 'anyone can forge pricing tokens',
    minLength: 8,
    doc: 'What pricing tokens are signed with: their key is derived from it and the salt. The same on every replica.',
  }),
  jwtSalt: text({
    aliases: ['JWT_SALT'],
    default: 'polyedge',
    doc: 'The salt of that key: applications that verify pricing tokens need it as well.',
  }),
  jwtExpiration: duration({
    aliases: ['JWT_EXPIRATION'],
    default: 3_600_000,
    min: 1000,
    max: 365 * 86_400_000,
    doc: 'Lifetime of a pricing token; never longer than its contract.',
  }),
  evaluationCacheBytes: integer({
    default: 64 * 1024 * 1024,
    min: 1024 * 1024,
    max: 4 * 1024 * 1024 * 1024,
    unit: 'bytes',
    doc: 'Memory for subscriptions that are ready to be evaluated; the least recently used ones are evicted.',
  }),
  keyMemoryMs: duration({
    default: 1000,
    min: 0,
    max: 60_000,
    doc: 'How long evaluations may rely on a key after looking it up: a removed key still works for evaluations during this time.',
  }),
  analyticsFlushMs: duration({ default: 5000, min: 100, max: 600_000, doc: 'Interval between writes of the counts of calls.' }),
  requestTimeoutMs,
  pingIntervalMs: duration({ default: 25_000, min: 100, max: 3_600_000, doc: 'Interval between pings.' }),
  pingTimeoutMs: duration({
    default: 20_000,
    min: 100,
    max: 3_600_000,
    doc: 'Time after which a socket that does not answer a ping is closed.',
  }),
  maxBufferedBytes: integer({
    default: defaultLimits.maxBufferedBytes,
    min: 64 * 1024,
    max: 1024 * 1024 * 1024,
    unit: 'bytes',
    doc: 'Unsent bytes allowed per socket; above this the slow reader is disconnected.',
  }),
  ...socketIoConnections,
};

export type SpaceSettings = typeof settings;
