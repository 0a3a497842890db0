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
 * What to add to fastify's options: nothing without a certificate, else a server that speaks TLS 1.2 or newer. Certificates are read once:
 * a renewed one is used after a restart. Throws `CannotStart` when the files are not usable.
 * @param http the options that the server has without TLS.
 */
export function listenerTls(config: TlsSettings, http: ServerOptions): { readonly serverFactory?: FastifyServerFactory } {
  const { tlsCertFile, tlsKeyFile } = config;
  if (tlsCertFile === undefined && tlsKeyFile === undefined) return {};
  if (tlsCertFile === undefined || tlsKeyFile === undefined) throw new CannotStart('TLS needs both TLS_CERT_FILE and TLS_KEY_FILE');
  let cert: string;
  let key: string;
  try {
    cert = readFileSync(tlsCertFile, 'utf8');
    key = readFileSync(tlsKeyFile, 'utf8');
  } catch (error) {
    throw new CannotStart(`the certificate cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
  return { serverFactory: (handler) => createServer({ ...http, cert, key, minVersion: 'TLSv1.2' }, handler) };
}
