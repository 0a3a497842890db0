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
    insecure: 'the example lets everybody read the products',
    doc: 'The file with the topic rules (YAML or JSON). It is read again when it changes; one with a mistake is refused and the old rules stay.',
  }),
  tenant: text({ default: 'default', doc: 'The tenant that this edge serves. Users of another one cannot upgrade here.' }),
  scope: text({ optional: true, doc: 'The data scope of its resources; without it, the default scope of the tenant.' }),
  path: text({ default: '/', pattern: /^\/[\w\-./]*$/, form: 'a path', doc: 'The path of the WebSocket.' }),
  heartbeatMs: duration({ default: 300, min: 200, max: 900, doc: 'Interval between the one-character heartbeats to each client.' }),
  heartbeatAlways: boolean({
    default: false,
    doc: 'Whether the character is sent also to clients that were just sent something else, or have not read what they were sent.',
  }),
  idleMs: duration({ default: 3000, min: 1000, max: 600_000, doc: 'Idle time after which a client that sends nothing is closed (4408).' }),
  maxFrameBytes: integer({
    default: 256 * 1024,
    min: 1024,
    max: 4 * 1024 * 1024,
    unit: 'bytes',
    doc: 'The longest message a client may send, all fragments together (close 1009).',
  }),
  requestsPerSecond: integer({
    default: 50,
    min: 1,
    max: 100_000,
    unit: 'requests',
    doc: 'What one session may ask per second; above it, `slow down`; after 3 s or 1,000 requests of that, close 4429.',
  }),
  requestBurst: integer({ default: 100, min: 1, max: 1_000_000, unit: 'requests', doc: 'What it may ask at once after a pause.' }),
  maxSubscriptions: integer({ default: 100, min: 1, max: 10_000, unit: 'subscriptions', doc: 'Active subscriptions of one session.' }),
  maxBufferedBytes: integer({
    default: 8 * 1024 * 1024,
    min: 1024 * 1024,
    max: 1024 * 1024 * 1024,
    unit: 'bytes',
    doc: 'Bytes that may be unsent to one socket; a slow reader of events above this is closed (1013).',
  }),
  stalledMs: duration({
    default: 10_000,
    min: 1000,
    max: 600_000,
    doc: 'Time after which a client that has unread data and reads none of it is closed (1013).',
  }),
  ...wsConnections,
  requestTimeoutMs,
  redact: boolean({
    default: true,
    doc: 'Whether `password` and `token` are taken out of the echo of an upgrade. The original repeats them.',
  }),
  onDowngrade: choice(['keep', 'revoke'], {
    default: 'keep',
    doc: 'What a downgrade does to subscriptions made before it: the original keeps them.',
  }),
  allowedOrigins,
  trustProxy,
};

export type GoodUncleSettings = typeof settings;
