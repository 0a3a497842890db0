/** Options of the NATS library for a service's connection. */
import { readFileSync } from 'node:fs';
import { type ConnectionOptions, credsAuthenticator, nkeyAuthenticator } from '@nats-io/transport-node';

/** Time-out of one attempt. */
export const CONNECT_ATTEMPT_MS = 5_000;

/** How a service authenticates to NATS: not at all, or by one of these. */
export type NatsCredentials =
  | { readonly kind: 'none' }
  | { readonly kind: 'password'; readonly user: string; readonly password: string }
  | { readonly kind: 'nkey'; readonly seed: string }
  /** The text of a `.creds` file. */
  | { readonly kind: 'creds'; readonly text: string };

/** The server's address and the connecting service. */
export interface NatsServer {
  /**
   * One URL, or several of a cluster separated by commas: `nats://host:4222`, `tls://host:4222`. A user and password in it are used if no
   * credentials are given.
   */
  readonly url: string;
  /** The service's name: used as queue group, in the inbox prefix and as the name of the connection in NATS' tools. */
  readonly service: string;
  readonly credentials?: NatsCredentials;
  /** PEM files; TLS is also used if the URL or the server requires it. */
  readonly tls?: { readonly caFile?: string; readonly certFile?: string; readonly keyFile?: string };
}

/**
 * Options of a connection. Credentials of the URL are used if no others are given; reconnecting is retried forever.
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
    // A server may reject credentials for a moment while it reloads its configuration, which must not stop the service forever.
    ignoreAuthErrorAbort: true,
    // Called by the library when a connection has ended, before it reconnects: the earliest and only synchronous notification.
    reconnectDelayHandler: () => {
      onDisconnect();
      return 50 + Math.floor(Math.random() * 200);
    },
    noAsyncTraces: true,
    ...(tls === undefined ? {} : { tls }),
    ...authentication(credentials),
  };
}

/** What can never work, in a sentence for the operator; undefined if nothing is known to be wrong. Files are read. */
export function problemOf({ credentials = { kind: 'none' }, tls = {} }: NatsServer): string | undefined {
  const { certFile, keyFile } = tls;
  if ((certFile === undefined) !== (keyFile === undefined))
    return 'a client certificate for NATS needs both NATS_CERT_FILE and NATS_KEY_FILE';
  try {
    for (const file of Object.values(tls)) readFileSync(file);
  } catch (error) {
    return `a certificate for NATS cannot be read: ${messageOf(error)}`;
  }
  try {
    const { authenticator } = authentication(credentials);
    for (const sign of [authenticator ?? []].flat()) sign('nonce');
  } catch (error) {
    return `the credentials for NATS cannot be read: ${messageOf(error)}`;
  }
  return undefined;
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

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
