/**
 * Socket.IO packets as data. What comes in is one value with the acknowledgement as a number; what goes out is encoded once, for any number
 * of sockets, both as the text that HTTP polling needs and as a whole WebSocket frame.
 *
 * (Socket.IO protocol 5, "Packet encoding"; Engine.IO protocols 3 and 4 put the same `4` in front of a text message.)
 */

import { exactJson, type ParsedJson } from '@polyedge/query/json-text';
import { PacketType, type Packet as ParsedPacket, Decoder as Parser } from 'socket.io-parser';
import type { Framing, Packet } from './wire.ts';
import { wsFraming } from './ws-frames.ts';

/** What a client sent, or is sent: an event, or the acknowledgement of one. Incoming is always an event. */
export type SocketIoRaw = SocketIoEvent | SocketIoAck;

export interface SocketIoEvent {
  readonly kind: 'event';
  readonly event: string;
  /** As JSON gives them; with `binary`, some parts are Buffers. The callback is not among them. */
  readonly args: readonly unknown[];
  /** Only of incoming events: the client waits for an acknowledgement under this number. */
  readonly ack?: number;
  /** Only of incoming events: it had binary attachments. */
  readonly binary?: boolean;
  /** Only of incoming events, which then have no arguments: what is wrong with them, as a sentence without its subject. */
  readonly problem?: string;
}

export interface SocketIoAck {
  readonly kind: 'ack';
  readonly ack: number;
  readonly args: readonly unknown[];
}

/** An incoming event on its way from the parser to its socket. */
export interface Arrived {
  readonly message: SocketIoEvent;
  /** Bytes on the wire, as characters of its text and bytes of its attachments. */
  readonly bytes: number;
  /** Is told once the message has left the library. */
  readonly from: { taken(): void };
}

/** Packets that one client may have in the library's hands at once: one HTTP poll may bring any number of tiny ones. */
const MAX_UNTAKEN = 20_000;
const MAX_ATTACHMENTS = 10;
/** What stands before a packet's JSON: its type, attachments, namespace and number. */
const HEAD = /^\d(?:\d+-)?(?:\/[^,]*,)?\d*/;

/**
 * The library's parser, except that an event is handed on as one `Arrived` and its packet number as data: no closure for each callback, and
 * one place where events come through. Throws for what breaks the protocol, which makes the library close the connection.
 */
export class MessageDecoder {
  readonly #parser = new Parser({ maxAttachments: MAX_ATTACHMENTS });
  #listener: ((packet: ParsedPacket) => void) | undefined;
  #text = '';
  #bytes = 0;
  #untaken = 0;
  #binary = false;

  constructor() {
    this.#parser.on('decoded', (packet: ParsedPacket) => this.#decoded(packet));
  }

  // The library listens to `decoded` once and takes its listener away when the connection has ended.
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
    // A number this large would not be the same when it is sent back.
    if (id !== undefined && !Number.isSafeInteger(id)) throw new Error('illegal packet number');
    // Attachments are no JSON: whoever takes them checks what is around them.
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

/** The name and the arguments of an event; only the name where the arguments are of no use. */
function argumentsOf(checked: ParsedJson | undefined, data: unknown): readonly unknown[] {
  const list = checked?.ok === true ? checked.value : data;
  if (!Array.isArray(list)) return [];
  return checked?.ok === false ? list.slice(0, 1) : list;
}

/** The name under which arrived events go through the library. */
const ARRIVED = 'arrived';

/** A packet ready for any socket of one namespace. */
export class SocketIoPacket implements Packet {
  /** The Socket.IO packet, without Engine.IO's type in front. */
  readonly text: string;
  readonly bytes: number;
  #buffers: readonly Buffer[] | undefined;

  constructor(text: string) {
    this.text = text;
    // The header of a frame with Engine.IO's type: about right is right enough for budgets.
    this.bytes = Buffer.byteLength(text) + 4;
  }

  /** The whole WebSocket frame, in one buffer or, for a long one, two. Made when the first socket needs it. */
  get buffers(): readonly Buffer[] {
    this.#buffers ??= frames.pack(`4${this.text}`).buffers;
    return this.#buffers;
  }
}

const frames = wsFraming(Number.POSITIVE_INFINITY);

/** How events and acknowledgements of one namespace become packets. Everything in `args` must be JSON: outgoing attachments do not exist. */
export function socketIoFraming(namespace = '/'): Framing<SocketIoRaw, SocketIoPacket> {
  const where = namespace === '/' ? '' : `${namespace},`;
  return {
    pack: (raw) =>
      raw.kind === 'ack'
        ? new SocketIoPacket(`${PacketType.ACK}${where}${raw.ack}${JSON.stringify(raw.args)}`)
        : new SocketIoPacket(`${PacketType.EVENT}${where}${JSON.stringify([raw.event, ...raw.args])}`),
    // Engine.IO has its own heartbeat, which proves nothing about earlier packets.
    ping: () => undefined,
  };
}
