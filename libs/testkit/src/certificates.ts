/** Certificates for a test, made with OpenSSL's program. */
import { execFileSync } from 'node:child_process';
import { chownSync } from 'node:fs';
import { join } from 'node:path';

/**
 * An authority and a certificate for 127.0.0.1 and localhost that it signed, valid for two days, in PEM files.
 * @param owner of the certificate and its key; default: this process
 */
export function makeCertificates(
  folder: string,
  name: string,
  owner?: { readonly uid: number; readonly gid: number },
): { readonly ca: string; readonly cert: string; readonly key: string } {
  const at = (file: string) => join(folder, `${name}-${file}`);
  const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'pipe' });
  const ca = at('ca.pem');
  openssl(
    ...[
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-days',
      '2',
      '-subj',
      `/CN=${name} authority`,
    ],
    '-keyout',
    at('ca-key.pem'),
    '-out',
    ca,
  );
  openssl(
    ...[
      'req',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-subj',
      '/CN=127.0.0.1',
      '-addext',
      'subjectAltName=IP:127.0.0.1,DNS:localhost',
    ],
    '-keyout',
    at('key.pem'),
    '-out',
    at('request.pem'),
  );
  openssl(
    'x509',
    '-req',
    '-days',
    '2',
    '-in',
    at('request.pem'),
    '-CA',
    ca,
    '-CAkey',
    at('ca-key.pem'),
    '-CAcreateserial',
    '-copy_extensions',
    'copy',
    '-out',
    at('cert.pem'),
  );
  const files = { cert: at('cert.pem'), key: at('key.pem') };
  if (owner !== undefined) for (const file of Object.values(files)) chownSync(file, owner.uid, owner.gid);
  return { ca, ...files };
}
