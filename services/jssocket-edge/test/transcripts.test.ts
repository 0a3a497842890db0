import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { runTranscript } from '@polyedge/testkit/transcript';
import { jssocketProtocol } from '../src/protocol/protocol.ts';
import { Rotation } from '../src/protocol/rotation.ts';

const protocol = jssocketProtocol({
  tenant: 'default',
  tag: '0123abcd',
  rotation: new Rotation(),
  policy: { publicMayNotify: true, onlyOwnGroup: false, callbackOnDenial: false, maxPerUser: undefined, maxPublic: undefined },
  counts: { asked: 0, askedAgain: 0, abandoned: 0, swallowed: 0, denied: 0, ignored: 0 },
  trusted: false,
  recheckMs: 0,
  pingIntervalMs: 20_000,
  pongTimeoutMs: 20_000,
  note: () => {},
});

test('jssocket:13 jssocket:30 jssocket:34 a page waits for a core, logs in twice and stops answering pings', () => {
  const text = readFileSync(join(import.meta.dirname, 'transcripts', 'core-and-page.txt'), 'utf8');
  runTranscript(text, protocol);
});
