/**
 * A WebSocket as a wire. `ws` reads, answers pings and does the closing handshake; frames are written here, directly to the TCP socket,
 * because they were encoded once for many sockets. Both write whole frames to one stream and compression is off, so their order is the
 * order of the calls.
 */
import type { Socket } from 'node:net';
import { type RawData, WebSocket } from 'ws';
import { type Wheel, WheelTimer } from '../wheel.ts';
import { closeReason, isSendableCloseCode, type Wire, type WireHandler } from './wire.ts';
import type { WsPacket } from './ws-frames.ts';

/** The buffers of one write are copied into one, up to this size; larger ones are written with one `writev`. */
const JOIN_BYTES = 64 * 1024;
const LARGE_BYTES = 8 * 1024;

/** Shared by the sockets of one listener: the last joined write, because a broadcast sends the same frames to most sockets. */
export class JoinedWrites {
  #packets: readonly WsPacket[] = [];
  #joined: Buffer | undefined;

  join(packets: readonly WsPacket[], bytes: number): Buffer {
    const known = this.#packets;
    if (this.#joined !== undefined && known.length === packets.length && packets.every((packet, at) => packet === known[at])) {
      return this.#joined;
    }
    this.#packets = packets;
    this.#joined = Buffer.concat(
      packets.flatMap((packet) => packet.buffers),
      bytes,
    );
    return this.#joined;
  }
}

/**
 * A `ws` socket that reports when it is about to send its close frame. `ws` answers a client's close, or a breach of RFC 6455, while it
 * reads, and nothing may be sent after that; answers to messages of the same packet are still queued then.
 */
export class ClosingWebSocket extends WebSocket {
  handler: WireHandler<string | Uint8Array> | undefined = undefined;
  accepts: Accepts = 'both';

  override close(code?: number, data?: string | Buffer): void {
    if (this.readyState === this.OPEN) this.handler?.closing();
    super.close(code, data);
  }
}

/** The messages that an edge accepts. */
export type Accepts = 'text' | 'binary' | 'both';

/** Shared by all sockets of one route. */
export interface WsWireOptions {
  readonly wheel: Wheel;
  readonly joined: JoinedWrites;
  readonly closeTimeoutMs: number;
  readonly accepts: Accepts;
}

export class WsWire implements Wire<WsPacket> {
  readonly #ws: ClosingWebSocket;
  readonly #socket: Socket;
  readonly #options: WsWireOptions;

  constructor(ws: ClosingWebSocket, socket: Socket, options: WsWireOptions) {
    this.#ws = ws;
    this.#socket = socket;
    this.#options = options;
  }

  /** Sends all events to the handler from now on. */
  attach(handler: WireHandler<string> | WireHandler<Uint8Array> | WireHandler<string | Uint8Array>): void {
    const ws = this.#ws;
    // `accepts` decides which kinds arrive, and the edge's protocol is of that kind: the only place where the type is erased.
    const taking = handler as WireHandler<string | Uint8Array>;
    ws.handler = taking;
    ws.accepts = this.#options.accepts;
    ws.on('message', onMessage);
    ws.on('ping', onPing);
    ws.on('pong', onPong);
    ws.on('close', onClose);
    this.#socket.on('drain', () => taking.drained());
    if (taking.raw !== undefined) readRaw(ws, taking);
  }

  get bufferedBytes(): number {
    return this.#socket.writableLength;
  }

  get sentBytes(): number {
    return this.#socket.bytesWritten - this.#socket.writableLength;
  }

  get receivedBytes(): number {
    return this.#socket.bytesRead;
  }

  write(packets: readonly WsPacket[]): void {
    // Nothing may be sent after a close frame.
    if (this.#ws.readyState !== this.#ws.OPEN) return;
    const [first] = packets;
    if (first === undefined) return;
    if (packets.length === 1 && first.buffers.length === 1) {
      this.#socket.write(first.buffers[0] ?? Buffer.alloc(0));
      return;
    }
    let bytes = 0;
    for (const packet of packets) bytes += packet.bytes;
    if (bytes <= JOIN_BYTES && bytes < packets.length * LARGE_BYTES) {
      this.#socket.write(this.#options.joined.join(packets, bytes));
      return;
    }
    this.#socket.cork();
    for (const packet of packets) for (const buffer of packet.buffers) this.#socket.write(buffer);
    this.#socket.uncork();
  }

  pause(): void {
    this.#ws.pause();
  }

  resume(): void {
    this.#ws.resume();
  }

  drop(): void {
    if (this.#socket.destroyed) return;
    if (this.#socket.writableLength === 0) {
      this.#ws.terminate();
      return;
    }
    this.#socket.destroySoon();
    this.#options.wheel.set(new WheelTimer(() => this.#socket.destroy()), this.#options.closeTimeoutMs);
  }

  close(code: number, reason: string): void {
    // A paused socket would never see the client's close frame.
    if (this.#ws.isPaused) this.#ws.resume();
    this.#ws.close(isSendableCloseCode(code) ? code : 1011, closeReason(reason));
  }
}

// One function for all sockets instead of a closure for each: memory per idle connection matters.

function onMessage(this: WebSocket, data: RawData, isBinary: boolean): void {
  // The binary type of `ws` is its default, so data is always a Buffer.
  if (!(this instanceof ClosingWebSocket) || !Buffer.isBuffer(data)) return;
  const { handler, accepts } = this;
  if (isBinary && accepts === 'text') handler?.unreadable('binary messages are not accepted', data.length);
  else if (!isBinary && accepts === 'binary') handler?.unreadable('text messages are not accepted', data.length);
  else handler?.message(isBinary ? data : data.toString('utf8'), data.length);
}

const handlerOf = (ws: WebSocket): WireHandler<string | Uint8Array> | undefined =>
  ws instanceof ClosingWebSocket ? ws.handler : undefined;

function onPing(this: WebSocket): void {
  handlerOf(this)?.ping();
}

function onPong(this: WebSocket, data: Buffer): void {
  handlerOf(this)?.pong(data.toString('latin1'));
}

function onClose(this: WebSocket, code: number): void {
  handlerOf(this)?.gone(code);
}

/**
 * The private fields of a `ws` receiver that are used: all are 0 between two frames. If another version renames them, nothing is handled
 * raw.
 */
interface Receiver {
  readonly _state?: unknown;
  readonly _bufferedBytes?: unknown;
  readonly _fragmented?: unknown;
  readonly writableLength: number;
  write: (this: Receiver, chunk: Buffer) => boolean;
  rawHandler?: WireHandler<string | Uint8Array>;
}

/** Shows the handler what arrives between two frames before `ws` reads it. */
function readRaw(ws: ClosingWebSocket, handler: WireHandler<string | Uint8Array>): void {
  const receiver: Receiver | undefined = Reflect.get(ws, '_receiver');
  if (receiver === undefined) return;
  receiver.rawHandler = handler;
  receiver.write = writeUnlessRaw;
}

function writeUnlessRaw(this: Receiver, chunk: Buffer): boolean {
  const between = this._state === 0 && this._bufferedBytes === 0 && this._fragmented === 0 && this.writableLength === 0;
  if (between && this.rawHandler?.raw?.(chunk) === true) return true;
  const { write }: Receiver = Object.getPrototypeOf(this);
  return Reflect.apply(write, this, [chunk]);
}
