import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { runTranscript } from '@polyedge/testkit/transcript';
import { jssocketProtocol } from '../src/protocol/protocol.ts';
import { Rotation } from '../src/protocol/rotation.ts';

const settings = {
  tenant: 'default',
  tag: '0123abcd',
  policy: { publicMayNotify: true, onlyOwnGroup: false, callbackOnDenial: false, maxPerUser: undefined, maxPublic: undefined },
  counts: { asked: 0, askedAgain: 0, abandoned: 0, swallowed: 0, denied: 0, ignored: 0 },
  trusted: false,
  pongTimeoutMs: 20_000,
  note: () => {},
};

function run(transcript: string, { recheckMs, pingIntervalMs }: { readonly recheckMs: number; readonly pingIntervalMs: number }): void {
  const text = readFileSync(join(import.meta.dirname, 'transcripts', `${transcript}.txt`), 'utf8');
  runTranscript(text, jssocketProtocol({ ...settings, rotation: new Rotation(), recheckMs, pingIntervalMs }));
}

test('jssocket:13 jssocket:30 jssocket:34 a page waits for a core, logs in twice and stops answering pings', () => {
  run('core-and-page', { recheckMs: 0, pingIntervalMs: 20_000 });
});

test('jssocket:34 a page that is logged in is checked again also after a login that no core has answered', () => {
  run('unanswered-login', { recheckMs: 60_000, pingIntervalMs: 600_000 });
});
