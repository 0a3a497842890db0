import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { runTranscript } from '@polyedge/testkit/transcript';
import { type Message, pricingProtocol } from '../src/protocol/protocol.ts';

const replay = (name: string, requireKey = false): void =>
  runTranscript<Message, unknown, unknown>(
    readFileSync(new URL(`./transcripts/${name}.txt`, import.meta.url), 'utf8'),
    pricingProtocol({ tenant: 'default', requireKey }),
    { toRaw: (text) => JSON.parse(text), fromRaw: (raw) => JSON.stringify(raw) },
  );

test('a socket without a key receives everything and is never answered', () => replay('listening'));
test('space:42 a socket with the key of an organization receives its events', () => replay('of-an-organization', true));
test('space:42 a socket with the key of an ADMIN receives everything', () => replay('of-everybody', true));
