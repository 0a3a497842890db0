/**
 * A WebSocket as a wire. `ws` reads, answers pings and does the closing handshake; frames are written here, straight to the TCP socket,
 * because they were built once for many sockets. Both write whole frames to one stream and compression is off, so their order is the order
 * of the calls.
 */
import type { Socket } from 'node:net';
import { WebSocket } from 'ws';
import { type Wheel, WheelTimer } from './wheel.ts';
import { closeReason, isSendableCloseCode, type Wire, type WireHandler } from './wire.ts';
import type { WsPacket } from './ws-frames.ts';

/** Up to this, the buffers of one write are copied into one; beyond it they go as they are, in one `writev`. */
const JOIN_BYTES = 64 * 1024;

/** What the sockets of one listener share: the last joined write, because a broadcast owes most sockets the same frames. */
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
 * A `ws` socket that says when it is about to send its close frame. `ws` answers a client's close, or a breach of RFC 6455, from within
 * reading, and after that nothing may be sent; answers to messages of the same packet are then still queued.
 */
export class ClosingWebSocket extends WebSocket {
  beforeClose: (() => void) | undefined = undefined;

  override close(code?: number, data?: string | Buffer): void {
    if (this.readyState === this.OPEN) this.beforeClose?.();
    super.close(code, data);
  }
}

export interface WsWireOptions {
  readonly wheel: Wheel;
  readonly joined: JoinedWrites;
  readonly closeTimeoutMs: number;
  /** Which messages the edge takes. */
  readonly accepts: 'text' | 'binary' | 'both';
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

  /** Tells the handler everything from now on. */
  attach(handler: WireHandler<string> | WireHandler<Uint8Array> | WireHandler<string | Uint8Array>): void {
    const ws = this.#ws;
    // The listener's `accepts` decides which kinds come, and the edge gives a protocol of that kind: the one place where that is erased.
    const taking = handler as WireHandler<string | Uint8Array>;
    const { accepts } = this.#options;
    ws.on('message', (data: Buffer, isBinary: boolean) => {
      if (isBinary && accepts === 'text') taking.unreadable('binary messages are not accepted', data.length);
      else if (!isBinary && accepts === 'binary') taking.unreadable('text messages are not accepted', data.length);
      else taking.message(isBinary ? data : data.toString('utf8'), data.length);
    });
    ws.beforeClose = () => taking.closing();
    ws.on('ping', () => taking.ping());
    ws.on('pong', (data: Buffer) => taking.pong(data.toString('latin1')));
    ws.on('close', (code: number) => taking.gone(code));
    this.#socket.on('drain', () => taking.drained());
  }

  get bufferedBytes(): number {
    return this.#socket.writableLength;
  }

  get sentBytes(): number {
    return this.#socket.bytesWritten - this.#socket.writableLength;
  }

  write(packets: readonly WsPacket[]): void {
    // After a close frame nothing may be sent.
    if (this.#ws.readyState !== this.#ws.OPEN) return;
    const [first] = packets;
    if (first === undefined) return;
    if (packets.length === 1 && first.buffers.length === 1) {
      this.#socket.write(first.buffers[0] ?? Buffer.alloc(0));
      return;
    }
    let bytes = 0;
    for (const packet of packets) bytes += packet.bytes;
    if (bytes <= JOIN_BYTES) {
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
