/**
 * RFC 6455 frames as a server sends them: unmasked, so one buffer serves any number of sockets. A message over the limit is split into
 * fragments (HIRO's JavaScript client refuses frames over 1 MiB, but takes messages of 8 MiB; HIRO WS API, sizes).
 */
import { utf8Of } from '@polyedge/query/utf8';
import type { Framing, Packet } from './wire.ts';

/** Messages longer than this are split… */
const FRAGMENT_ABOVE_BYTES = 900_000;
/** …into fragments of at most this. */
const FRAGMENT_BYTES = 512 * 1024;

/** Payloads up to this size share one buffer with their header; longer ones are not copied. */
const COPY_BYTES = 64 * 1024;
/** Messages that are packed together share buffers of up to this size. */
const JOIN_BYTES = 256 * 1024;

const TEXT = 0x1;
const BINARY = 0x2;
const PING = 0x9;
const FIN = 0x80;

/** A message as whole frames, ready for the socket. */
export interface WsPacket extends Packet {
  readonly buffers: readonly Buffer[];
}

/** Text becomes text frames, bytes become binary frames. */
export type WsRaw = string | Uint8Array;

/** @param fragmentAbove messages longer than this many bytes are fragmented; Infinity: never */
export function wsFraming(fragmentAbove = FRAGMENT_ABOVE_BYTES, fragmentBytes = FRAGMENT_BYTES): Framing<WsRaw, WsPacket> {
  return {
    pack: (raw) => packOne(raw, lengthOf(raw), fragmentAbove, fragmentBytes),
    packAll: (raws) => packAll(raws, fragmentAbove, fragmentBytes),
    ping: (payload) => single(PING, payload, Buffer.byteLength(payload)),
  };
}

const lengthOf = (raw: WsRaw): number => (typeof raw === 'string' ? Buffer.byteLength(raw) : raw.byteLength);

const bytesOf = (text: string, bytes: number): Buffer => Buffer.from(text, utf8Of(text, bytes));

const opcodeOf = (raw: WsRaw): number => (typeof raw === 'string' ? TEXT : BINARY);

function packOne(raw: WsRaw, length: number, fragmentAbove: number, fragmentBytes: number): WsPacket {
  if (length <= fragmentAbove) return single(opcodeOf(raw), raw, length);
  return fragmented(opcodeOf(raw), typeof raw === 'string' ? bytesOf(raw, length) : raw, fragmentBytes);
}

/** Messages share buffers of up to `JOIN_BYTES`; one longer than `COPY_BYTES` has its own packet. */
function packAll(raws: readonly WsRaw[], fragmentAbove: number, fragmentBytes: number): WsPacket[] {
  const packets: WsPacket[] = [];
  const lengths = raws.map(lengthOf);
  let from = 0;
  let bytes = 0;
  const join = (to: number): void => {
    if (to > from) packets.push(joined(raws, lengths, from, to, bytes));
    from = to;
    bytes = 0;
  };
  for (const [at, length] of lengths.entries()) {
    const raw = raws[at];
    if (raw === undefined) continue;
    if (length > COPY_BYTES || length > fragmentAbove) {
      join(at);
      packets.push(packOne(raw, length, fragmentAbove, fragmentBytes));
      from = at + 1;
      continue;
    }
    if (bytes > 0 && bytes + length > JOIN_BYTES) join(at);
    bytes += headerLength(length) + length;
  }
  join(raws.length);
  return packets;
}

function joined(raws: readonly WsRaw[], lengths: readonly number[], from: number, to: number, bytes: number): WsPacket {
  const buffer = Buffer.allocUnsafe(bytes);
  let end = 0;
  for (let at = from; at < to; at += 1) end = writeFrame(buffer, end, raws[at] ?? '', lengths[at] ?? 0);
  return { bytes, buffers: [buffer] };
}

/** Writes a whole frame; returns its end. */
function writeFrame(target: Buffer, at: number, raw: WsRaw, length: number): number {
  const start = at + writeHeader(target, at, FIN | opcodeOf(raw), length);
  if (typeof raw !== 'string') target.set(raw, start);
  else target.write(raw, start, utf8Of(raw, length));
  return start + length;
}

function single(opcode: number, raw: WsRaw, length: number): WsPacket {
  const headerBytes = headerLength(length);
  const bytes = headerBytes + length;
  if (length > COPY_BYTES) {
    const header = Buffer.allocUnsafe(headerBytes);
    writeHeader(header, 0, FIN | opcode, length);
    return { bytes, buffers: [header, typeof raw === 'string' ? bytesOf(raw, length) : asBuffer(raw)] };
  }
  const frame = Buffer.allocUnsafe(bytes);
  writeHeader(frame, 0, FIN | opcode, length);
  if (typeof raw !== 'string') frame.set(raw, headerBytes);
  else frame.write(raw, headerBytes, utf8Of(raw, length));
  return { bytes, buffers: [frame] };
}

function fragmented(opcode: number, data: Uint8Array, fragmentBytes: number): WsPacket {
  const payload = asBuffer(data);
  const buffers: Buffer[] = [];
  let bytes = 0;
  for (let from = 0; from < payload.length; from += fragmentBytes) {
    const part = payload.subarray(from, from + fragmentBytes);
    const last = from + fragmentBytes >= payload.length;
    const header = Buffer.allocUnsafe(headerLength(part.length));
    writeHeader(header, 0, (last ? FIN : 0) | (from === 0 ? opcode : 0), part.length);
    buffers.push(header, part);
    bytes += header.length + part.length;
  }
  return { bytes, buffers };
}

function headerLength(length: number): number {
  if (length < 126) return 2;
  return length < 65_536 ? 4 : 10;
}

/** Returns its length. */
function writeHeader(target: Buffer, at: number, first: number, length: number): number {
  target[at] = first;
  if (length < 126) {
    target[at + 1] = length;
    return 2;
  }
  if (length < 65_536) {
    target[at + 1] = 126;
    target.writeUInt16BE(length, at + 2);
    return 4;
  }
  target[at + 1] = 127;
  target.writeUInt16BE(0, at + 2);
  target.writeUIntBE(length, at + 4, 6);
  return 10;
}

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
