import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { runTranscript } from '@polyedge/testkit/transcript';
import type { SagaRaw } from '../src/protocol/codec.ts';
import { SEED_ROLES } from '../src/protocol/permissions.ts';
import { sagaProtocol } from '../src/protocol/protocol.ts';

const saga = sagaProtocol({
  authTimeoutMs: 5000,
  legacyMessages: true,
  selfAccess: true,
  disconnectOnTokenExpiry: false,
  maxJoins: 10,
  maxWaiting: 3,
  maxInFlight: 64,
  rolesOf: () => SEED_ROLES,
});

/** A line is a packet as Socket.IO writes it: `4` for an event, with the number of its acknowledgement in front of the list, `3` for one. */
const toRaw = (text: string): SagaRaw => {
  const found = /^2(\d*)(\[.*)$/s.exec(text);
  const [event, ...args]: unknown[] = JSON.parse(found?.[2] ?? '[]');
  return { kind: 'event', event: String(event), args, ...(found?.[1] === '' ? {} : { ack: Number(found?.[1]) }) };
};
const fromRaw = (raw: SagaRaw): string =>
  raw.kind === 'ack' ? `3${raw.ack}${JSON.stringify(raw.args)}` : JSON.stringify([raw.event, ...raw.args]);

for (const name of ['unity-0.9', 'authentication', 'bounds']) {
  test(`saga:3 saga:7 what ${name} does goes as it always did`, () => {
    runTranscript(readFileSync(join(import.meta.dirname, 'transcripts', `${name}.txt`), 'utf8'), saga, { toRaw, fromRaw });
  });
}
