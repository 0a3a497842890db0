/** Settings that all services share; their names have no service prefix. */
import { choice, duration, port, secret, text, url } from './settings.ts';

/** For a service's own port: the default differs between services. */
export const commonSettings = (defaults: { readonly port: number }) => ({
  mode: choice(['local', 'production'], {
    env: 'POLYEDGE_MODE',
    default: 'production',
    doc: 'Insecure defaults exist only in `local`, and each causes a warning.',
  }),
  host: text({ env: 'HOST', default: '0.0.0.0', localDefault: '127.0.0.1', doc: 'The address to listen on.' }),
  port: port({ env: 'PORT', default: defaults.port, doc: 'The port for clients; 0 takes a free one.' }),
  metricsPort: text({
    env: 'METRICS_PORT',
    optional: true,
    pattern: /^(off|\d{1,5})$/,
    form: 'a port, or off',
    doc: 'The port of `GET /metrics` (Prometheus), never that of the clients; `PORT` + 1000 unless set, `off` for none.',
  }),
  natsUrl: url({
    env: 'NATS_URL',
    schemes: ['nats', 'tls'],
    localDefault: 'nats://127.0.0.1:4222',
    doc: 'The NATS servers, separated by commas.',
  }),
  natsUser: text({ env: 'NATS_USER', optional: true, doc: 'The user name for NATS.' }),
  natsPassword: secret({ env: 'NATS_PASSWORD', optional: true, doc: 'The password for NATS.' }),
  natsNkeySeed: secret({ env: 'NATS_NKEY_SEED', optional: true, doc: 'The NKey seed for NATS, instead of a password.' }),
  natsCreds: secret({
    env: 'NATS_CREDS',
    optional: true,
    doc: 'The content of a `.creds` file for NATS; `NATS_CREDS_FILE` names the file.',
  }),
  natsCaFile: text({ env: 'NATS_CA_FILE', optional: true, doc: 'The PEM file of the authority that signed the certificate of NATS.' }),
  natsCertFile: text({ env: 'NATS_CERT_FILE', optional: true, doc: 'The PEM file of the client certificate for NATS.' }),
  natsKeyFile: text({ env: 'NATS_KEY_FILE', optional: true, doc: 'The PEM file with the key of the client certificate.' }),
  logLevel: choice(['debug', 'info', 'warn', 'error', 'fatal', 'silent'], {
    env: 'LOG_LEVEL',
    default: 'info',
    doc: 'The lowest level of lines to write.',
  }),
  otlpEndpoint: url({
    env: 'OTEL_EXPORTER_OTLP_ENDPOINT',
    schemes: ['http', 'https'],
    optional: true,
    doc: 'The OpenTelemetry collector for traces (OTLP over HTTP); tracing is off without it.',
  }),
  drainMs: duration({
    env: 'POLYEDGE_DRAIN_MS',
    default: 25_000,
    min: 0,
    max: 600_000,
    doc: "How long a stopping service may take to finish work in flight and to close its clients' connections.",
  }),
});

/** Redis, for the services that read or write the hot journal. */
export const redisUrl = url({
  env: 'REDIS_URL',
  schemes: ['redis', 'rediss'],
  localDefault: 'redis://127.0.0.1:6379',
  doc: 'The Redis server of the hot journal; `rediss://…?cafile=FILE` for TLS with your own authority; `redis://user:password@NAME?sentinel=HOST:PORT&sentinel=…` for the primary that the Sentinels call NAME; `redis://user:password@HOST:PORT?cluster=HOST:PORT&cluster=…` for the nodes of a Redis Cluster.',
});

/** For the services that use several journals. */
export const redisJournals = secret({
  env: 'POLYEDGE_REDIS_JOURNALS',
  optional: true,
  form: '`NAME=redis://…`, several separated by white space',
  doc: 'Redis servers of journals other than `main`, for their hot journal and groups; other journals use `REDIS_URL`. The same for graph-store, hiro-edge and saga-runner.',
});

/** PostgreSQL, for graph-store. */
export const databaseUrl = url({
  env: 'DATABASE_URL',
  schemes: ['postgres', 'postgresql'],
  localDefault: 'postgres://127.0.0.1:5432/polyedge',
  doc: 'The PostgreSQL database with all durable data; `?sslrootcert=FILE` for TLS with your own authority.',
});

/** TLS on the client port of edges: `listenerTls` applies them. */
export const listenerTlsSettings = {
  tlsCertFile: text({
    env: 'TLS_CERT_FILE',
    optional: true,
    doc: 'The PEM file of the certificate chain: the whole port then uses TLS (https, wss), including `/healthz` and `/readyz`.',
  }),
  tlsKeyFile: text({ env: 'TLS_KEY_FILE', optional: true, doc: 'The PEM file with the private key of that certificate.' }),
};

export type CommonSettings = ReturnType<typeof commonSettings>;
