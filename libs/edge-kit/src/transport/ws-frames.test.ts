import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { wsFraming } from './ws-frames.ts';

/** Frames read the plain way: header fields and payloads. */
function read(bytes: Buffer): { fin: boolean; opcode: number; payload: Buffer }[] {
  const frames = [];
  for (let at = 0; at < bytes.length; ) {
    const first = bytes.readUInt8(at);
    let length = bytes.readUInt8(at + 1);
    at += 2;
    if (length === 126) {
      length = bytes.readUInt16BE(at);
      assert.ok(length > 125, 'the shortest length field is used');
      at += 2;
    } else if (length === 127) {
      length = Number(bytes.readBigUInt64BE(at));
      assert.ok(length > 65_535, 'the shortest length field is used');
      at += 8;
    }
    frames.push({ fin: first >= 128, opcode: first & 127, payload: bytes.subarray(at, at + length) });
    at += length;
  }
  return frames;
}

test('packed messages are whole unmasked frames with the packed contents, and their size is right', () => {
  const message = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 300 }),
    fc.uint8Array({ maxLength: 300 }),
    fc.constantFrom('ä'.repeat(40_000), 'x'.repeat(65_535), 'x'.repeat(65_536)),
  );
  fc.assert(
    fc.property(message, fc.integer({ min: 1, max: 400 }), fc.integer({ min: 1, max: 200 }), (raw, above, size) => {
      const packet = wsFraming(above, size).pack(raw);
      const bytes = Buffer.concat(packet.buffers);
      assert.equal(packet.bytes, bytes.length);
      const frames = read(bytes);
      const payload = Buffer.concat(frames.map((frame) => frame.payload));
      assert.deepEqual(payload, Buffer.from(typeof raw === 'string' ? Buffer.from(raw) : raw));
      assert.deepEqual(
        frames.map(({ fin }) => fin),
        frames.map((_, at) => at === frames.length - 1),
      );
      for (const [at, { opcode, payload: part }] of frames.entries()) {
        assert.equal(opcode, at > 0 ? 0 : typeof raw === 'string' ? 1 : 2);
        if (payload.length > above) assert.ok(part.length <= size);
        else assert.equal(frames.length, 1);
      }
    }),
  );
});

test('messages that are packed together are the same bytes as each packed by itself', () => {
  const message = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 300 }),
    fc.uint8Array({ maxLength: 300 }),
    fc.constantFrom('', 'ä'.repeat(30_000), 'x'.repeat(60_000), 'x'.repeat(70_000)),
  );
  fc.assert(
    fc.property(fc.array(message, { maxLength: 12 }), fc.integer({ min: 100, max: 80_000 }), (raws, above) => {
      const framing = wsFraming(above, 50_000);
      const packets = framing.packAll?.(raws) ?? [];
      const bytes = packets.map(({ buffers }) => Buffer.concat(buffers));
      assert.deepEqual(
        packets.map((packet) => packet.bytes),
        bytes.map(({ length }) => length),
      );
      assert.ok(Buffer.concat(bytes).equals(Buffer.concat(raws.flatMap((raw) => framing.pack(raw).buffers))));
    }),
  );
});

test('small messages that are packed together share a packet', () => {
  assert.equal(wsFraming().packAll?.(Array.from({ length: 200 }, () => 'x'.repeat(1000))).length, 1);
});
