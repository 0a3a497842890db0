/**
 * A WebSocket client at almost no cost: one read buffer for all sockets, frames are parsed in place, text is sent under a mask
 * of zeros. It answers pings, but supports neither fragments nor extensions.
 */
import { connect, type Socket } from 'node:net';

/** Called for every message: the bytes lie in `buffer` from `start` to `end` until the call returns. */
export type OnMessage = (buffer: Buffer, start: number, end: number) => void;

const shared = Buffer.allocUnsafeSlow(256 * 1024);
const noBytes = Buffer.alloc(0);
const CONNECT_MS = 20_000;

export class RawSocket {
  /** Payload bytes of all messages. */
  bytes = 0;
  messages = 0;
  closed = false;
  /** The close frame's code, if one came. */
  closeCode = 0;
  onMessage: OnMessage;
  readonly #socket: Socket;
  #rest: Buffer = noBytes;
  #upgraded = false;
  #opened: () => void = () => {};
  #refused: (error: Error) => void = () => {};
  #pong: (() => void) | undefined;

  /** Resolves when the handshake is done. `localAddress` (127.0.0.x) is for more sockets than one address has ports. */
  static open(
    port: number,
    path: string,
    options: { readonly protocols?: readonly string[]; readonly onMessage?: OnMessage } = {},
  ): Promise<RawSocket> {
    const socket = new RawSocket(port, path, options.protocols ?? [], options.onMessage ?? (() => {}));
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('the handshake took too long')), CONNECT_MS);
      socket.#opened = () => {
        clearTimeout(timer);
        resolve(socket);
      };
      socket.#refused = (error) => {
        clearTimeout(timer);
        reject(error);
      };
    });
  }

  private constructor(port: number, path: string, protocols: readonly string[], onMessage: OnMessage) {
    this.onMessage = onMessage;
    this.#socket = connect({
      port,
      host: '127.0.0.1',
      noDelay: true,
      onread: { buffer: shared, callback: (count, buffer) => this.#read(Buffer.from(buffer.buffer, buffer.byteOffset, count)) },
    });
    const lines = [`GET ${path} HTTP/1.1`, `Host: 127.0.0.1:${port}`, 'Upgrade: websocket', 'Connection: Upgrade'];
    lines.push('Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', 'Sec-WebSocket-Version: 13');
    if (protocols.length > 0) lines.push(`Sec-WebSocket-Protocol: ${protocols.join(', ')}`);
    this.#socket.write(`${lines.join('\r\n')}\r\n\r\n`);
    this.#socket.on('error', (error) => this.#refused(error));
    this.#socket.on('close', () => {
      this.closed = true;
      this.#refused(new Error('the socket was closed during its handshake'));
    });
  }

  send(text: string): void {
    this.#socket.write(clientFrame(0x1, text));
  }

  sendBinary(text: string): void {
    this.#socket.write(clientFrame(0x2, text));
  }

  /** Resolves when the server has handled everything sent before. */
  handled(): Promise<void> {
    return new Promise((resolve) => {
      this.#pong = resolve;
      this.#socket.write(clientFrame(0x9, 'h'));
    });
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #read(chunk: Buffer): boolean {
    let data = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    if (!this.#upgraded) {
      const end = data.indexOf('\r\n\r\n');
      if (end === -1) {
        this.#rest = Buffer.from(data);
        return true;
      }
      const status = data.toString('latin1', 9, 12);
      if (status !== '101') {
        this.#refused(new Error(`the handshake was answered ${status}: ${data.toString('utf8', end + 4)}`));
        return true;
      }
      this.#upgraded = true;
      data = data.subarray(end + 4);
      this.#opened();
    }
    let at = 0;
    while (data.length - at >= 2) {
      let length = (data[at + 1] ?? 0) & 0x7f;
      let start = at + 2;
      if (length === 126) {
        if (data.length - at < 4) break;
        length = data.readUInt16BE(start);
        start += 2;
      } else if (length === 127) {
        if (data.length - at < 10) break;
        length = data.readUIntBE(start + 2, 6);
        start += 8;
      }
      const end = start + length;
      if (end > data.length) break;
      this.#frame((data[at] ?? 0) & 0x0f, data, start, end);
      at = end;
    }
    // All sockets share the buffer, so the rest must be copied.
    this.#rest = at === data.length ? noBytes : Buffer.from(data.subarray(at));
    return true;
  }

  #frame(opcode: number, data: Buffer, start: number, end: number): void {
    if (opcode === 0x1 || opcode === 0x2) {
      this.messages += 1;
      this.bytes += end - start;
      this.onMessage(data, start, end);
    } else if (opcode === 0x9) {
      this.#socket.write(clientFrame(0xa, data.toString('latin1', start, end)));
    } else if (opcode === 0xa) {
      this.#pong?.();
      this.#pong = undefined;
    } else if (opcode === 0x8 && end - start >= 2) {
      this.closeCode = data.readUInt16BE(start);
    }
  }
}

/** A masked frame whose mask is zero, so the payload is unchanged. */
function clientFrame(opcode: number, text: string): Buffer {
  const length = Buffer.byteLength(text);
  const header = length < 126 ? 2 : length < 65_536 ? 4 : 10;
  const frame = Buffer.alloc(header + 4 + length);
  frame[0] = 0x80 | opcode;
  if (length < 126) frame[1] = 0x80 | length;
  else if (length < 65_536) {
    frame[1] = 0x80 | 126;
    frame.writeUInt16BE(length, 2);
  } else {
    frame[1] = 0x80 | 127;
    frame.writeUIntBE(length, 4, 6);
  }
  frame.write(text, header + 4);
  return frame;
}
