import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Parser } from '@nats-io/transport-node';
import './nats-bus-large-messages.ts';

const PIECE = 64 * 1024;

/** What a parser makes of a stream that arrives in pieces, and the buffers that it collected a message in. */
function parsed(stream: Buffer, pieceBytes: number) {
  const messages: string[] = [];
  const buffers = new Set<ArrayBufferLike>();
  const parser = new Parser({
    push: (event) => {
      if ('data' in event) messages.push(Buffer.from(event.data ?? '').toString());
    },
  });
  for (let at = 0; at < stream.length; at += pieceBytes) {
    parser.parse(stream.subarray(at, at + pieceBytes));
    if (parser.msgBuf !== undefined) buffers.add(parser.msgBuf.bytes({ copy: false }).buffer);
  }
  return { messages, buffers };
}

const message = (payload: string): Buffer => Buffer.from(`MSG subject 1 ${payload.length}\r\n${payload}\r\n`);

test('a message that arrives in pieces is collected in one buffer, little larger than itself', () => {
  const payload = 'x'.repeat(1024 * 1024);
  const { messages, buffers } = parsed(message(payload), PIECE);
  assert.deepEqual(messages, [payload]);
  assert.equal(buffers.size, 1);
  for (const { byteLength } of buffers) assert.ok(byteLength <= payload.length + 2 * PIECE, `${byteLength}`);
});

test('messages arrive whole however the stream is cut', () => {
  const payloads = ['', 'a', 'b'.repeat(100), '', 'c'.repeat(33)];
  const stream = Buffer.concat(payloads.map(message));
  for (let pieceBytes = 1; pieceBytes <= stream.length; pieceBytes += 1)
    assert.deepEqual(parsed(stream, pieceBytes).messages, payloads, `pieces of ${pieceBytes}`);
});
