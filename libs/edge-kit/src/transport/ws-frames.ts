/**
 * RFC 6455 frames as a server sends them: unmasked, so one buffer serves any number of sockets. A message over the limit is split into
 * fragments (HIRO's JavaScript client refuses frames over 1 MiB, but takes messages of 8 MiB; HIRO WS API, sizes).
 */
import type { Framing, Packet } from './wire.ts';

/** Messages longer than this are split… */
const FRAGMENT_ABOVE_BYTES = 900_000;
/** …into fragments of at most this. */
const FRAGMENT_BYTES = 512 * 1024;

/** Payloads up to this share one buffer with their header; longer ones are not copied. */
const COPY_BYTES = 64 * 1024;

const TEXT = 0x1;
const BINARY = 0x2;
const PING = 0x9;
const FIN = 0x80;

/** A message ready for the socket: whole frames. */
export interface WsPacket extends Packet {
  readonly buffers: readonly Buffer[];
}

/** Text goes as text frames, bytes as binary frames. */
export type WsRaw = string | Uint8Array;

/** @param fragmentAbove messages longer than this many bytes are fragmented; Infinity: never */
export function wsFraming(fragmentAbove = FRAGMENT_ABOVE_BYTES, fragmentBytes = FRAGMENT_BYTES): Framing<WsRaw, WsPacket> {
  return {
    pack: (raw) => {
      const opcode = typeof raw === 'string' ? TEXT : BINARY;
      const length = typeof raw === 'string' ? Buffer.byteLength(raw) : raw.byteLength;
      if (length > fragmentAbove) return fragmented(opcode, typeof raw === 'string' ? Buffer.from(raw) : raw, fragmentBytes);
      return single(opcode, raw, length);
    },
    ping: (payload) => single(PING, payload, Buffer.byteLength(payload)),
  };
}

function single(opcode: number, raw: WsRaw, length: number): WsPacket {
  const headerBytes = headerLength(length);
  const bytes = headerBytes + length;
  if (length > COPY_BYTES) {
    const header = Buffer.allocUnsafe(headerBytes);
    writeHeader(header, FIN | opcode, length);
    return { bytes, buffers: [header, typeof raw === 'string' ? Buffer.from(raw) : asBuffer(raw)] };
  }
  const frame = Buffer.allocUnsafe(bytes);
  writeHeader(frame, FIN | opcode, length);
  if (typeof raw !== 'string') frame.set(raw, headerBytes);
  // Text of which every character is one byte is ASCII, and copying it is cheaper than encoding it.
  else frame.write(raw, headerBytes, raw.length === length ? 'latin1' : 'utf8');
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
    writeHeader(header, (last ? FIN : 0) | (from === 0 ? opcode : 0), part.length);
    buffers.push(header, part);
    bytes += header.length + part.length;
  }
  return { bytes, buffers };
}

function headerLength(length: number): number {
  if (length < 126) return 2;
  return length < 65_536 ? 4 : 10;
}

function writeHeader(target: Buffer, first: number, length: number): void {
  target[0] = first;
  if (length < 126) {
    target[1] = length;
  } else if (length < 65_536) {
    target[1] = 126;
    target.writeUInt16BE(length, 2);
  } else {
    target[1] = 127;
    target.writeUInt16BE(0, 2);
    target.writeUIntBE(length, 4, 6);
  }
}

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
