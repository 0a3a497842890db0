/** What the NATS library is told for a connection of a service. */
import { type ConnectionOptions, credsAuthenticator, nkeyAuthenticator } from '@nats-io/transport-node';

/** How long one attempt may take. */
export const CONNECT_ATTEMPT_MS = 5_000;

/** How a service proves to NATS who it is: nothing, or one of these. */
export type NatsCredentials =
  | { readonly kind: 'none' }
  | { readonly kind: 'password'; readonly user: string; readonly password: string }
  | { readonly kind: 'nkey'; readonly seed: string }
  /** The text of a `.creds` file. */
  | { readonly kind: 'creds'; readonly text: string };

/** Where the server is, and who connects. */
export interface NatsServer {
  /** One URL or several of a cluster, separated by commas: `nats://host:4222`, `tls://host:4222`. A user and password in it count where no credentials are given. */
  readonly url: string;
  /** The service's name: queue group, part of the inbox prefix, name of the connection in NATS' own tools. */
  readonly service: string;
  readonly credentials?: NatsCredentials;
  /** Files in PEM; TLS is also used when the URL or the server asks for it. */
  readonly tls?: { readonly caFile?: string; readonly certFile?: string; readonly keyFile?: string };
}

/**
 * How the library is to connect. Credentials of the URL count where no others are given; a lost server is looked for without end.
 * @param onDisconnect called as soon as a connection has ended
 */
export function connectionOptions(options: NatsServer, instance: string, onDisconnect: () => void): ConnectionOptions {
  const servers = options.url.split(',').map((text) => new URL(text.trim()));
  const [first] = servers;
  const inUrl: NatsCredentials =
    first === undefined || first.username === ''
      ? { kind: 'none' }
      : { kind: 'password', user: decodeURIComponent(first.username), password: decodeURIComponent(first.password) };
  const credentials = options.credentials === undefined || options.credentials.kind === 'none' ? inUrl : options.credentials;
  const tls = options.tls ?? (servers.some((url) => url.protocol === 'tls:') ? {} : undefined);
  return {
    servers: servers.map((url) => url.host),
    name: `${options.service} ${instance}`,
    inboxPrefix: `_INBOX.${options.service}.${instance}`,
    timeout: CONNECT_ATTEMPT_MS,
    pingInterval: 5_000,
    maxPingOut: 2,
    maxReconnectAttempts: -1,
    // Credentials may be refused for a moment while a server reloads its configuration; a service must not stay away for ever because of it.
    ignoreAuthErrorAbort: true,
    // Called by the library when a connection has ended, before it dials the next: the earliest and only synchronous sign of it.
    reconnectDelayHandler: () => {
      onDisconnect();
      return 50 + Math.floor(Math.random() * 200);
    },
    noAsyncTraces: true,
    ...(tls === undefined ? {} : { tls }),
    ...authentication(credentials),
  };
}

function authentication(credentials: NatsCredentials): Partial<ConnectionOptions> {
  switch (credentials.kind) {
    case 'none':
      return {};
    case 'password':
      return { user: credentials.user, pass: credentials.password };
    case 'nkey':
      return { authenticator: nkeyAuthenticator(new TextEncoder().encode(credentials.seed)) };
    case 'creds':
      return { authenticator: credsAuthenticator(new TextEncoder().encode(credentials.text)) };
  }
}
