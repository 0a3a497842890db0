/**
 * Socket.IO packets as data. An incoming event is one value with its acknowledgement as a number; an outgoing packet is encoded once, for
 * any number of sockets, both as text for HTTP polling and as a whole WebSocket frame.
 *
 * (Socket.IO protocol 5, "Packet encoding"; Engine.IO protocols 3 and 4 put the same `4` in front of a text message.)
 */

import { exactJson, type ParsedJson } from '@polyedge/query/json-text';
import { PacketType, type Packet as ParsedPacket, Decoder as Parser } from 'socket.io-parser';
import { ControlBudget } from './socketio-bounds.ts';
import type { Framing, Packet } from './wire.ts';
import { wsFraming } from './ws-frames.ts';

/** An event, or the acknowledgement of one. Incoming is always an event. */
export type SocketIoRaw = SocketIoEvent | SocketIoAck;

export interface SocketIoEvent {
  readonly kind: 'event';
  readonly event: string;
  /** Parsed JSON; with `binary`, some parts are Buffers. Without the callback. */
  readonly args: readonly unknown[];
  /** Only for incoming events: the client expects an acknowledgement with this number. */
  readonly ack?: number;
  /** Only for incoming events: it had binary attachments. */
  readonly binary?: boolean;
  /** Only for incoming events, which then have no arguments: why they are invalid, as a sentence without its subject. */
  readonly problem?: string;
}

export interface SocketIoAck {
  readonly kind: 'ack';
  readonly ack: number;
  readonly args: readonly unknown[];
}

/** An incoming event between the parser and its socket. */
export interface Arrived {
  readonly message: SocketIoEvent;
  /** Size on the wire: characters of its text plus bytes of its attachments. */
  readonly bytes: number;
  /** Notified when the message has left the library. */
  readonly from: { taken(): void };
}

/** Packets of one client that the library may hold at once: one HTTP poll may contain any number of tiny ones. */
const MAX_UNTAKEN = 20_000;
const MAX_ATTACHMENTS = 10;
/** Characters of a namespace, which the library repeats when it does not know it. */
const MAX_NAMESPACE = 512;
/** The prefix of a packet before its JSON: type, attachments, namespace and number. */
const HEAD = /^\d(?:\d+-)?(?:\/[^,]*,)?\d*/;

/**
 * The library's parser, except that an event is passed on as one `Arrived` with its packet number as data: no closure per callback, and a
 * single entry point for events. Throws on protocol errors, upon which the library closes the connection.
 */
export class MessageDecoder {
  readonly #parser = new Parser({ maxAttachments: MAX_ATTACHMENTS });
  #listener: ((packet: ParsedPacket) => void) | undefined;
  #text = '';
  #bytes = 0;
  #untaken = 0;
  #binary = false;
  #controls: ControlBudget | undefined;

  constructor() {
    this.#parser.on('decoded', (packet: ParsedPacket) => this.#decoded(packet));
  }

  // The library listens to `decoded` once, and removes its listener when the connection has ended.
  on(_event: string, listener: (packet: ParsedPacket) => void): void {
    this.#listener = listener;
  }

  removeListener(): void {
    this.#listener = undefined;
  }

  /** A message has left the library. */
  taken(): void {
    this.#untaken -= 1;
  }

  destroy(): void {
    this.#parser.destroy();
  }

  add(data: unknown): void {
    const binary = typeof data !== 'string';
    this.#binary ||= binary;
    if (!binary) this.#text = data;
    this.#bytes += binary ? (ArrayBuffer.isView(data) ? data.byteLength : 0) : data.length;
    this.#parser.add(data);
  }

  #decoded(packet: ParsedPacket): void {
    const { bytes, message } = this.#measure(packet);
    if (message === undefined) {
      this.#controls ??= new ControlBudget();
      if (!this.#controls.take() || packet.nsp.length > MAX_NAMESPACE) throw new Error('too many packets that are no events');
      this.#listener?.(packet);
      return;
    }
    this.#untaken += 1;
    if (this.#untaken > MAX_UNTAKEN) throw new Error('too many packets at once');
    const arrived: Arrived = { message, bytes, from: this };
    this.#listener?.({ type: PacketType.EVENT, nsp: packet.nsp, data: [ARRIVED, arrived] });
  }

  #measure({ type, data, id }: ParsedPacket): { readonly bytes: number; readonly message: SocketIoEvent | undefined } {
    const bytes = this.#bytes;
    const binary = this.#binary;
    const text = this.#text;
    this.#text = '';
    this.#bytes = 0;
    this.#binary = false;
    if (type !== PacketType.EVENT && type !== PacketType.BINARY_EVENT) return { bytes, message: undefined };
    // A larger number would change when it is sent back.
    if (id !== undefined && !Number.isSafeInteger(id)) throw new Error('illegal packet number');
    // With attachments it is not plain JSON; the receiver checks the rest.
    const checked = binary ? undefined : exactJson(data, text.slice(HEAD.exec(text)?.[0].length));
    const [name, ...args]: readonly unknown[] = argumentsOf(checked, data);
    const message: SocketIoEvent = {
      kind: 'event',
      event: String(name),
      args,
      ...(id === undefined ? {} : { ack: id }),
      ...(binary ? { binary } : {}),
      ...(checked?.ok === false ? { problem: checked.problem } : {}),
    };
    return { bytes, message };
  }
}

/** The name and arguments of an event; only the name if the arguments are invalid. */
function argumentsOf(checked: ParsedJson | undefined, data: unknown): readonly unknown[] {
  const list = checked?.ok === true ? checked.value : data;
  if (!Array.isArray(list)) return [];
  return checked?.ok === false ? list.slice(0, 1) : list;
}

/** The event name by which received events pass through the library. */
const ARRIVED = 'arrived';

/** A packet ready for any socket of one namespace. */
export class SocketIoPacket implements Packet {
  /** The Socket.IO packet, without the Engine.IO type. */
  readonly text: string;
  readonly bytes: number;
  #buffers: readonly Buffer[] | undefined;

  constructor(text: string) {
    this.text = text;
    // Approximate size with the header and Engine.IO's type, for budgets.
    this.bytes = Buffer.byteLength(text) + 4;
  }

  /** The whole WebSocket frame in one buffer, or two if long. Made when the first socket needs it. */
  get buffers(): readonly Buffer[] {
    this.#buffers ??= frames.pack(`4${this.text}`).buffers;
    return this.#buffers;
  }
}

const frames = wsFraming(Number.POSITIVE_INFINITY);

/** Encodes the events and acknowledgements of one namespace. Everything in `args` must be JSON: outgoing attachments are not supported. */
export function socketIoFraming(namespace = '/'): Framing<SocketIoRaw, SocketIoPacket> {
  const where = namespace === '/' ? '' : `${namespace},`;
  return {
    pack: (raw) =>
      raw.kind === 'ack'
        ? new SocketIoPacket(`${PacketType.ACK}${where}${raw.ack}${JSON.stringify(raw.args)}`)
        : new SocketIoPacket(`${PacketType.EVENT}${where}${JSON.stringify([raw.event, ...raw.args])}`),
    // Engine.IO has its own heartbeat, which confirms nothing about earlier packets.
    ping: () => undefined,
  };
}
