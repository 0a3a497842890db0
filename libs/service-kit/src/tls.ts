/** TLS on a service's own port, when its settings name a certificate. */
import { readFileSync } from 'node:fs';
import { createServer, type ServerOptions } from 'node:https';
import type { FastifyServerFactory } from 'fastify';
import { CannotStart } from './lifecycle.ts';

interface TlsSettings {
  readonly tlsCertFile: string | undefined;
  readonly tlsKeyFile: string | undefined;
}

/**
 * The certificate of a server with TLS 1.2 or newer; undefined if none is configured. Read once: a renewed one is used after a restart.
 * Throws `CannotStart` if the files are unusable.
 */
export function certificateOf({ tlsCertFile, tlsKeyFile }: TlsSettings) {
  if (tlsCertFile === undefined && tlsKeyFile === undefined) return undefined;
  if (tlsCertFile === undefined || tlsKeyFile === undefined) throw new CannotStart('TLS needs both TLS_CERT_FILE and TLS_KEY_FILE');
  try {
    return { cert: readFileSync(tlsCertFile, 'utf8'), key: readFileSync(tlsKeyFile, 'utf8'), minVersion: 'TLSv1.2' } as const;
  } catch (error) {
    throw new CannotStart(`the certificate cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/**
 * Additions to fastify's options: none without a certificate, else a TLS server.
 * @param http the options of the server without TLS
 */
export function listenerTls(config: TlsSettings, http: ServerOptions): { readonly serverFactory?: FastifyServerFactory } {
  const certificate = certificateOf(config);
  return certificate === undefined ? {} : { serverFactory: (handler) => createServer({ ...http, ...certificate }, handler) };
}
