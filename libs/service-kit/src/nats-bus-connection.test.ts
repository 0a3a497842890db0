import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { connectNatsBus } from './nats-bus.ts';
import type { NatsServer } from './nats-bus-connection.ts';

/** Any file that can be read. */
const FILE = fileURLToPath(import.meta.url);

test('credentials and certificates for NATS that cannot be read are reported at once, without waiting for a server', async () => {
  const wrong: readonly (readonly [Partial<NatsServer>, RegExp])[] = [
    [{ credentials: { kind: 'nkey', seed: 'seed' } }, /^the credentials for NATS cannot be read: /],
    [{ credentials: { kind: 'creds', text: 'creds' } }, /^the credentials for NATS cannot be read: /],
    [{ tls: { caFile: '/none' } }, /^a certificate for NATS cannot be read: .*'\/none'/],
    [{ tls: { certFile: FILE, keyFile: '/none' } }, /^a certificate for NATS cannot be read: .*'\/none'/],
    [{ tls: { certFile: FILE } }, /needs both NATS_CERT_FILE and NATS_KEY_FILE/],
    [{ tls: { keyFile: FILE } }, /needs both NATS_CERT_FILE and NATS_KEY_FILE/],
  ];
  for (const [options, because] of wrong) {
    // Nobody listens there.
    const connected = await connectNatsBus({ url: 'nats://127.0.0.1:1', service: 'test', ...options });
    assert.ok(!connected.ok && connected.failure.code === 'invalid', JSON.stringify(connected));
    assert.match(connected.failure.detail ?? '', because);
  }
});
