/**
 * A Socket.IO socket as a wire. The library handles transports, upgrades, heartbeats and namespaces; packets are encoded before, once for
 * many sockets. Over WebSocket, the packets of one turn are one buffer and one write; over polling the library joins them.
 *
 * (engine.io 6.6: `Socket.write` with `wsPreEncodedFrame`, which socket.io-adapter uses for its broadcasts; build/transports/websocket.js.)
 */
import type { Socket } from 'socket.io';
import type { Arrived, SocketIoPacket, SocketIoRaw } from './socketio-packets.ts';
import type { Wire, WireHandler } from './wire.ts';

/** The frames of one write are copied into one buffer, up to this size. */
const JOIN_BYTES = 64 * 1024;
/** Messages that may still arrive after reading was paused (polling cannot pause) before the connection is closed. */
const MAX_MESSAGES_WHILE_PAUSED = 20_000;

/** A dropped connection with at most this many unsent bytes is closed in order; with more, its client does not read. */
const DROP_BYTES = 256 * 1024;

type Engine = Socket['conn'];
type SendOptions = NonNullable<Parameters<Engine['write']>[1]>;

/** Shared by the sockets of one listener: the last joined write, because a broadcast sends the same packets to most sockets. */
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

/** The private part of the library's WebSocket transport that is needed: its `ws` socket. Absent for polling. */
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
  /** Sizes of the writes that the library has not sent yet, oldest first. */
  readonly #unsent: number[] = [];
  bufferedBytes = 0;
  sentBytes = 0;
  #paused = false;
  /** The connection was ended by us, not by the client. */
  #ending = false;
  #messagesWhilePaused = 0;
  #bytesWhilePaused = 0;
  /** Messages that arrived before there was a handler. Bounded: the wire was paused while the credential was being verified. */
  #early: Arrived[] | undefined;
  readonly #passedOn = (): void => {
    const bytes = this.#unsent.shift() ?? 0;
    this.bufferedBytes -= bytes;
    this.sentBytes += bytes;
    this.#handler?.drained();
  };
  /** Only while paused: memory per idle connection matters. */
  #upgraded: (() => void) | undefined;

  constructor(socket: Socket, shared: SharedWrites, maxFrameBytes: number) {
    this.#socket = socket;
    this.#engine = socket.conn;
    this.#shared = shared;
    this.#maxBytesWhilePaused = 2 * maxFrameBytes;
    // The single entry point for events: a packet middleware that never passes them on. It runs in the order of arrival, unlike `onAny`
    // together with `on`.
    socket.use(([, arrived]) => this.#arrived(arrived));
  }

  /** Sends all events to the handler from now on. */
  attach(handler: WireHandler<SocketIoRaw>): void {
    this.#handler = handler;
    // If the session closed it while opening, it disconnected before this.
    if (this.#socket.connected) this.#socket.once('disconnect', () => this.#disconnected(handler));
    else this.#disconnected(handler);
    const early = this.#early;
    this.#early = undefined;
    for (const { message, bytes } of early ?? []) handler.message(message, bytes);
  }

  #disconnected(handler: WireHandler<SocketIoRaw>): void {
    this.#forgetUpgrade();
    // The library reports the end before TCP has closed. The process may exit once the last connection is gone, and TCP with it: a client
    // that is still reading then could lose the rest, because the kernel answers its further data with a reset.
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
      // A WebSocket transport never falls back to another one, so the text of a joined write is not needed.
      engine.write(first.text, this.#shared.optionsFor(packets), this.#passedOn);
    } else {
      for (const [at, packet] of packets.entries()) {
        engine.write(packet.text, framed(packet.buffers), at === last ? this.#passedOn : undefined);
      }
    }
  }

  /** Pauses reading of a WebSocket. Polling continues; what arrives is bounded. */
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

  /** Ends the transport without Socket.IO's disconnect packet: the client sees `transport close`, after which it reconnects by itself. */
  drop(): void {
    this.#ending = true;
    const ws = this.#ws();
    if (ws !== undefined && this.bufferedBytes > DROP_BYTES) ws.terminate();
    else this.#engine.close(ws === undefined && this.bufferedBytes > DROP_BYTES);
  }

  /** Socket.IO has no close codes: the client sees `io server disconnect`, after everything that was written. All its namespaces end. */
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
