import { fileURLToPath } from 'node:url';
import { allowedOrigins, requestTimeoutMs, trustProxy, wsConnections } from '@polyedge/edge-kit/edge-settings';
import { commonSettings, listenerTlsSettings } from '@polyedge/service-kit/common-settings';
import { openIdSettings } from '@polyedge/service-kit/open-id';
import { boolean, choice, duration, integer, text } from '@polyedge/service-kit/settings';

/** Every setting of gooduncle-edge: its own begin with `GOODUNCLE_`. */
export const settings = {
  ...commonSettings({ port: 5404 }),
  ...listenerTlsSettings,
  ...openIdSettings,
  topics: text({
    localDefault: fileURLToPath(new URL('../topics.example.yaml', import.meta.url)),
    insecure: 'the example lets anyone read the products',
    doc: 'The file with the topic rules (YAML or JSON). It is reloaded when it changes; an invalid file is rejected and the old rules stay.',
  }),
  tenant: text({ default: 'default', doc: 'The tenant that this edge serves. Users of other tenants cannot upgrade here.' }),
  scope: text({ optional: true, doc: 'The data scope of its resources; without it, the default scope of the tenant.' }),
  path: text({ default: '/', pattern: /^\/[\w\-./]*$/, form: 'a path', doc: 'The path of the WebSocket.' }),
  heartbeatMs: duration({ default: 300, min: 200, max: 900, doc: 'Interval between the one-character heartbeats to each client.' }),
  heartbeatAlways: boolean({
    default: false,
    doc: 'Whether the heartbeat is also sent to clients that have just been sent something else or have unread data.',
  }),
  idleMs: duration({ default: 3000, min: 1000, max: 600_000, doc: 'Idle time after which a client that sends nothing is closed (4408).' }),
  maxFrameBytes: integer({
    default: 256 * 1024,
    min: 1024,
    max: 4 * 1024 * 1024,
    unit: 'bytes',
    doc: 'The longest message of a client, all fragments together (close 1009).',
  }),
  requestsPerSecond: integer({
    default: 50,
    min: 1,
    max: 100_000,
    unit: 'requests',
    doc: 'Requests per second of one session; above it, `slow down`; after 3 s or 1,000 such requests, close 4429.',
  }),
  requestBurst: integer({ default: 100, min: 1, max: 1_000_000, unit: 'requests', doc: 'Requests at once after a pause.' }),
  maxSubscriptions: integer({ default: 100, min: 1, max: 10_000, unit: 'subscriptions', doc: 'Active subscriptions of one session.' }),
  maxBufferedBytes: integer({
    default: 8 * 1024 * 1024,
    min: 1024 * 1024,
    max: 1024 * 1024 * 1024,
    unit: 'bytes',
    doc: 'Unsent bytes allowed per socket; a slow reader of events above this is closed (1013).',
  }),
  stalledMs: duration({
    default: 10_000,
    min: 1000,
    max: 600_000,
    doc: 'Time after which a client that does not read its data is closed (1013).',
  }),
  ...wsConnections,
  requestTimeoutMs,
  redact: boolean({
    default: true,
    doc: 'Whether `password` and `token` are removed from the echo of an upgrade. The original echoes them.',
  }),
  onDowngrade: choice(['keep', 'revoke'], {
    default: 'keep',
    doc: 'The effect of a downgrade on existing subscriptions; the original keeps them.',
  }),
  allowedOrigins,
  trustProxy,
};

export type GoodUncleSettings = typeof settings;
