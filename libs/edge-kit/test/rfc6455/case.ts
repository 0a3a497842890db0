/** The shape of the corpus: bytes as data, and what an echo server has to answer. */
import { type FrameParts, frame } from '../raw-client.ts';

/** A frame the server must send: text or bytes of a message that came back, a pong, or the close code that ends the case. */
export type Expected =
  | { readonly text: string }
  | { readonly bytes: Buffer }
  | { readonly pong: string }
  /** 1006: TCP ends without a close frame. */
  | { readonly close: number };

export interface Case {
  /** Section of RFC 6455 and what is tried. */
  readonly title: string;
  /** Written in this order, each by itself. */
  readonly send: readonly Buffer[];
  readonly expect: readonly Expected[];
}

export const text = (payload: string | Buffer, parts: Partial<FrameParts> = {}): Buffer => frame({ opcode: 1, payload, ...parts });
export const binary = (payload: string | Buffer, parts: Partial<FrameParts> = {}): Buffer => frame({ opcode: 2, payload, ...parts });
export const more = (payload: string | Buffer, parts: Partial<FrameParts> = {}): Buffer => frame({ opcode: 0, payload, ...parts });
export const ping = (payload: string | Buffer, parts: Partial<FrameParts> = {}): Buffer => frame({ opcode: 9, payload, ...parts });
export const pong = (payload: string | Buffer, parts: Partial<FrameParts> = {}): Buffer => frame({ opcode: 10, payload, ...parts });
export const close = (payload: string | Buffer = '', parts: Partial<FrameParts> = {}): Buffer => frame({ opcode: 8, payload, ...parts });

/** Ends a case in good order, so that what came before is known to be all there was. */
export const GOODBYE = close(Buffer.from([3, 232]));
export const ENDED: Expected = { close: 1000 };

/** Bytes one by one: as a network may deliver them. */
export const byteByByte = (bytes: Buffer): Buffer[] => Array.from(bytes, (byte) => Buffer.from([byte]));
