import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import test, { after, before } from 'node:test';
import { type EchoEdge, echoEdge } from '../echo-edge.ts';
import { RawClient, type Received } from '../raw-client.ts';
import type { Case, Expected } from './case.ts';
import { closing } from './closing.ts';
import { control } from './control.ts';
import { fragments } from './fragments.ts';
import { framing } from './framing.ts';
import { reserved } from './reserved.ts';
import { MAX_BYTES, MAX_FRAGMENTS, sizes } from './sizes.ts';
import { utf8 } from './utf8.ts';

const groups: Readonly<Record<string, readonly Case[]>> = {
  framing,
  'ping and pong': control,
  'reserved bits and opcodes': reserved,
  fragments,
  'UTF-8': utf8,
  closing,
  sizes,
};

let edge: EchoEdge;
before(async () => {
  edge = await echoEdge({ limits: { maxFrameBytes: MAX_BYTES, maxFragments: MAX_FRAGMENTS, maxBufferedBytes: 8_000_000 } });
});
after(async () => {
  await edge[Symbol.asyncDispose]();
});

for (const [name, cases] of Object.entries(groups)) {
  test(`RFC 6455: all ${cases.length} cases of ${name} get their one right answer`, async () => {
    for (const one of cases) await play(one);
    assert.equal(edge.driver.counts.bugs, 0);
  });
}

/** Plays a case on a connection of its own. After a close frame the server ends TCP and sends nothing more. */
async function play({ title, send, expect }: Case): Promise<void> {
  const client = await RawClient.open(edge.port);
  try {
    for (const bytes of send) client.send(bytes);
    for (const expected of expect) {
      const received = await client.frame();
      assert.equal(shown(seen(received, expected)), shown(expected), title);
    }
    if (expect.at(-1) !== undefined && 'close' in (expect.at(-1) ?? {})) {
      // A client that failed must not keep the connection waiting for its own close frame.
      client.socket.end();
      assert.equal(await client.frame(), undefined, `${title}: nothing follows a close`);
    }
  } finally {
    client.destroy();
  }
}

/** Short enough to read, and different for different answers. */
function shown(answer: Expected): string {
  if ('close' in answer) return `close ${answer.close}`;
  if ('pong' in answer) return `pong ${JSON.stringify(answer.pong)}`;
  const bytes = 'text' in answer ? Buffer.from(answer.text) : answer.bytes;
  return `${'text' in answer ? 'text' : 'binary'} of ${bytes.length} bytes, ${createHash('sha256').update(bytes).digest('hex')}`;
}

/** What came, in the words of what was expected. */
function seen(received: Received | undefined, expected: Expected): Expected {
  if (received === undefined) return { close: 1006 };
  assert.equal(received.masked, false, 'a server masks nothing');
  assert.equal(received.fin, true);
  const { opcode, payload } = received;
  if (opcode === 8) return { close: payload.length < 2 ? 1005 : payload.readUInt16BE(0) };
  if (opcode === 10)
    return 'pong' in expected && payload.equals(Buffer.from(expected.pong)) ? expected : { pong: payload.toString('latin1') };
  return opcode === 1 ? { text: payload.toString('utf8') } : { bytes: Buffer.from(payload) };
}
