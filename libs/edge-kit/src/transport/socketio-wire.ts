/**
 * A Socket.IO socket as a wire. The library does the transports, the upgrade, the heartbeat and the namespaces; packets were encoded before,
 * once for many sockets. Over WebSocket what one turn owes to a socket is one buffer and one write; over polling the library joins it.
 *
 * (engine.io 6.6: `Socket.write` with `wsPreEncodedFrame`, which socket.io-adapter uses for its broadcasts; build/transports/websocket.js.)
 */
import type { Socket } from 'socket.io';
import type { Arrived, SocketIoPacket, SocketIoRaw } from './socketio-packets.ts';
import type { Wire, WireHandler } from './wire.ts';

/** Up to this, the frames of one write are copied into one buffer. */
const JOIN_BYTES = 64 * 1024;
/** What may still arrive after reading was stopped (polling cannot stop) before the connection is cut. */
const MAX_MESSAGES_WHILE_PAUSED = 20_000;

/** What a connection that is dropped may still owe and be ended in good order; with more, its client does not read. */
const DROP_BYTES = 256 * 1024;

type Engine = Socket['conn'];
type SendOptions = NonNullable<Parameters<Engine['write']>[1]>;

/** What the sockets of one listener share: the last joined write, because a broadcast owes most sockets the same packets. */
export class SharedWrites {
  #packets: readonly SocketIoPacket[] = [];
  #options: SendOptions | undefined;

  /** The library's options for writing these packets, at most 64 KiB, as one buffer of whole frames. */
  optionsFor(packets: readonly SocketIoPacket[]): SendOptions {
    const known = this.#packets;
    if (this.#options !== undefined && known.length === packets.length && packets.every((packet, at) => packet === known[at])) {
      return this.#options;
    }
    this.#packets = packets;
    const buffers = packets.flatMap((packet) => packet.buffers);
    const [only] = buffers;
    this.#options = framed(buffers.length === 1 && only !== undefined ? [only] : [Buffer.concat(buffers)]);
    return this.#options;
  }
}

/** `wsPreEncodedFrame` is missing from the library's public type. */
const framed = (buffers: readonly Buffer[]): SendOptions => ({ compress: false, wsPreEncodedFrame: buffers }) as SendOptions;

const PLAIN: SendOptions = { compress: false };

/** What of the library's WebSocket transport is needed and not public: the `ws` socket in it. Absent for polling. */
interface Pausable {
  readonly socket?: WsSocket;
}

interface WsSocket {
  readonly readyState: number;
  pause(): void;
  resume(): void;
  terminate(): void;
  once(event: 'close', listener: () => void): void;
}

const CLOSED = 3;

export class SocketIoWire implements Wire<SocketIoPacket> {
  readonly #socket: Socket;
  readonly #engine: Engine;
  readonly #shared: SharedWrites;
  readonly #maxBytesWhilePaused: number;
  #handler: WireHandler<SocketIoRaw> | undefined;
  /** Sizes of the writes that the library has not passed on yet, oldest first. */
  readonly #unsent: number[] = [];
  bufferedBytes = 0;
  sentBytes = 0;
  #paused = false;
  /** We, not the client, ended it. */
  #ending = false;
  #messagesWhilePaused = 0;
  #bytesWhilePaused = 0;
  /** What came before there was a handler; its credential was being verified and the wire paused, so this is bounded. */
  #early: Arrived[] | undefined;
  readonly #passedOn = (): void => {
    const bytes = this.#unsent.shift() ?? 0;
    this.bufferedBytes -= bytes;
    this.sentBytes += bytes;
    this.#handler?.drained();
  };
  /** Only while paused: memory per idle connection is a goal. */
  #upgraded: (() => void) | undefined;

  constructor(socket: Socket, shared: SharedWrites, maxFrameBytes: number) {
    this.#socket = socket;
    this.#engine = socket.conn;
    this.#shared = shared;
    this.#maxBytesWhilePaused = 2 * maxFrameBytes;
    // The one way in for events: a packet middleware that never passes them on. It runs in the order of arrival, unlike `onAny` beside `on`.
    socket.use(([, arrived]) => this.#arrived(arrived));
  }

  /** Tells the handler everything from now on. */
  attach(handler: WireHandler<SocketIoRaw>): void {
    this.#handler = handler;
    // A session that ended it as it opened did so before this.
    if (this.#socket.connected) this.#socket.once('disconnect', () => this.#disconnected(handler));
    else this.#disconnected(handler);
    const early = this.#early;
    this.#early = undefined;
    for (const { message, bytes } of early ?? []) handler.message(message, bytes);
  }

  #disconnected(handler: WireHandler<SocketIoRaw>): void {
    this.#forgetUpgrade();
    // The library says so before TCP has ended. The process may end once the last connection has gone, and with it TCP: a client that
    // was still reading then can lose the rest, as what it sends meanwhile is answered with a reset.
    const ws = this.#ending ? this.#ws() : undefined;
    if (ws === undefined || ws.readyState === CLOSED) handler.gone(1005);
    else ws.once('close', () => handler.gone(1005));
  }

  write(packets: readonly SocketIoPacket[]): void {
    const engine = this.#engine;
    const [first] = packets;
    if (first === undefined || engine.readyState !== 'open' || !this.#socket.connected) return;
    let bytes = 0;
    for (const packet of packets) bytes += packet.bytes;
    this.#unsent.push(bytes);
    this.bufferedBytes += bytes;
    const last = packets.length - 1;
    if (engine.transport.name !== 'websocket') {
      for (const [at, packet] of packets.entries()) engine.write(packet.text, PLAIN, at === last ? this.#passedOn : undefined);
    } else if (bytes <= JOIN_BYTES) {
      // A WebSocket transport is never left for another, so the text of a joined write is not needed.
      engine.write(first.text, this.#shared.optionsFor(packets), this.#passedOn);
    } else {
      for (const [at, packet] of packets.entries()) {
        engine.write(packet.text, framed(packet.buffers), at === last ? this.#passedOn : undefined);
      }
    }
  }

  /** Stops reading a WebSocket. Polling goes on; what arrives all the same is bounded. */
  pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.#messagesWhilePaused = 0;
    this.#bytesWhilePaused = 0;
    const ws = this.#ws();
    if (ws !== undefined) {
      ws.pause();
      return;
    }
    this.#upgraded = () => this.#ws()?.pause();
    this.#engine.once('upgrade', this.#upgraded);
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#forgetUpgrade();
    this.#ws()?.resume();
  }

  #forgetUpgrade(): void {
    if (this.#upgraded !== undefined) this.#engine.removeListener('upgrade', this.#upgraded);
    this.#upgraded = undefined;
  }

  /** Ends the transport without Socket.IO's goodbye: the client hears `transport close`, after which it comes back by itself. */
  drop(): void {
    this.#ending = true;
    const ws = this.#ws();
    if (ws !== undefined && this.bufferedBytes > DROP_BYTES) ws.terminate();
    else this.#engine.close(ws === undefined && this.bufferedBytes > DROP_BYTES);
  }

  /** Socket.IO has no codes: the client hears `io server disconnect`, after everything that was written. All namespaces of it end. */
  close(): void {
    this.#ending = true;
    this.resume();
    this.#socket.disconnect(true);
  }

  #ws(): Pausable['socket'] {
    return (this.#engine.transport as unknown as Pausable).socket;
  }

  #arrived(arrived: Arrived): void {
    const { message, bytes } = arrived;
    arrived.from.taken();
    if (this.#paused) {
      this.#messagesWhilePaused += 1;
      this.#bytesWhilePaused += bytes;
      if (this.#messagesWhilePaused > MAX_MESSAGES_WHILE_PAUSED || this.#bytesWhilePaused > this.#maxBytesWhilePaused) {
        this.drop();
        return;
      }
    }
    if (this.#handler !== undefined) {
      this.#handler.message(message, bytes);
      return;
    }
    this.#early ??= [];
    this.#early.push(arrived);
  }
}
